import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { setTimeout as delay } from "node:timers/promises";
import { constants, createDeflate, deflateSync, inflateSync } from "node:zlib";
import type { Client } from "@stanzapack/client";
import { Estimator } from "@stanzapack/estimate";
import { startTcpProxy, until, type TcpProxy } from "@stanzapack/testkit";
import type { Connection } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accountOf } from "./support/accounts.js";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";

const HEADER =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' " +
  "to='localhost' version='1.0'>";

/** Writes a text, and returns everything received until the pattern matches. */
async function ask(socket: Socket, text: string, until: RegExp): Promise<string> {
  let got = "";
  const onData = (data: Buffer): void => void (got += data.toString());
  socket.on("data", onData);
  socket.write(text);
  while (!until.test(got)) await once(socket, "data", { signal: AbortSignal.timeout(5_000) });
  socket.off("data", onData);
  return got;
}

const FEATURES = /<\/stream:features>/;

/** Opens a stream over TLS. Returns what the server offered before TLS and on it. */
async function openStream({ sandbox }: Stack): Promise<{ socket: Socket; offered: string }> {
  const tcp = connectTcp(sandbox.ports.c2s, sandbox.host);
  const plain = await ask(tcp, HEADER, FEATURES);
  await ask(tcp, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", /<proceed/);
  const socket = connectTls({ socket: tcp, ca: sandbox.ca, servername: "localhost" });
  await once(socket, "secureConnect");
  return { socket, offered: plain + (await ask(socket, HEADER, FEATURES)) };
}

const COMPRESS = "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>";

/** Opens a compressed stream by hand. The server inflates everything that is written to it. */
async function openCompressed(stack: Stack, user: string): Promise<Socket> {
  const { socket } = await openStream(stack);
  const password = accountOf(stack.sandbox, user).password;
  const auth = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${btoa(`\0${user}\0${password}`)}</auth>`;
  await ask(socket, auth, /<success/);
  expect(await ask(socket, HEADER, FEATURES)).toMatch(/<compression [^>]*><method>zlib<\/method>/);
  await ask(socket, COMPRESS, /<compressed/);
  return socket;
}

const residentKb = (pid: number): number =>
  Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${String(pid)}/status`, "utf8"))?.[1]);

describe.each(SERVERS)("stream compression through %s", (server) => {
  let stack: Stack;
  let proxy: TcpProxy;
  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"], { compress: true });
    proxy = await startTcpProxy({ host: stack.sandbox.host, port: stack.sandbox.ports.c2s });
  });
  afterAll(async () => {
    await stack.stop();
    await proxy.close();
  });

  /** A client that records the bodies that it receives. */
  async function listen(
    user: string,
    compress: boolean,
  ): Promise<{ connection: Connection; bodies: string[] }> {
    const connection = await stack.raw(user, { compress, url: `xmpp://127.0.0.1:${proxy.port}` });
    const bodies: string[] = [];
    connection.onStanza((stanza) => {
      const body = stanza.getChildText("body");
      if (body !== null) bodies.push(body);
      return body !== null;
    });
    expect(connection.compressed).toBe(compress);
    return { connection, bodies };
  }
  const message = (to: string, body: string): string =>
    `<message to='${to}' type='headline'><body>${body}</body></message>`;

  it("is offered after authentication only", async () => {
    const { socket, offered } = await openStream(stack);
    expect(offered).not.toContain("compress");
    expect(await ask(socket, COMPRESS, /<\/failure>|<\/stream:error>/)).not.toContain("<compressed");
    socket.destroy();
    (await openCompressed(stack, "carol")).destroy();
  });

  it("loses nothing between SDK clients, and saves most of the bytes", async () => {
    const clients: Client[] = [];
    const run = async (compress: boolean): Promise<{ down: number; up: number }> => {
      const name = compress ? "packed" : "plain";
      const alice = await stack.connect("alice", { compress });
      const bob = await stack.connect("bob", { compress });
      clients.push(alice, bob);
      const service = await alice.offer(name);
      const subscription = await bob.subscribe<number>(`alice@localhost/${name}`, { windowMs: 100 });
      const values: number[] = [];
      subscription.on("update", ({ value }) => values.push(value));
      await until(() => service.demand.subscribers === 1, 5_000, "demand");
      const before = { down: bob.meter.received.xmpp, up: alice.meter.sent.xmpp };
      const counter = publishCounter((value) => service.publish(value), 10);
      await until(() => counter.count >= 300, 20_000, "300 updates");
      counter.stop();
      await until(() => values.at(-1) === counter.count, 5_000, "the last of them");
      expect(values).toEqual(Array.from({ length: counter.count }, (_, i) => i + 1));
      return {
        down: (bob.meter.received.xmpp - before.down) / values.length,
        up: (alice.meter.sent.xmpp - before.up) / values.length,
      };
    };
    const plain = await run(false);
    const packed = await run(true);
    await Promise.all(clients.map((client) => client.close()));
    console.log(`${server}: bytes per update, plain and compressed`, plain, packed);
    expect(packed.down).toBeLessThan(plain.down / 2.5);
    expect(packed.up).toBeLessThan(plain.up / 2.5);
  });

  it.each([1, 10])(
    "takes the bytes that `estimate` tells, at %i a stanza, plain and compressed",
    async (batch) => {
      // The first stanzas of a zlib stream are large, so the measurement begins after a warm-up.
      const [warmUp, count] = [20, 60];
      const values = Array.from({ length: count * batch }, (_, i) => ({
        ...{ x: 500 + ((i * 7919) % 13), temp: 20 + ((i * 31) % 17) / 10 },
      }));
      const alice = await stack.connect("alice");
      const name = `estimated-${batch}`;
      const service = await alice.offer(name);
      const bobs = await Promise.all([false, true].map((compress) => stack.connect("bob", { compress })));
      let arrived = 0;
      /** Times of the updates by the component's clock. Their irregularity is a part of their cost. */
      const times: number[] = [];
      for (const bob of bobs) {
        const subscription = await bob.subscribe(`alice@localhost/${name}`, {
          windowMs: batch === 1 ? 0 : 100,
        });
        subscription.on("update", ({ offset, at }) => {
          arrived++;
          times[offset - 1] = at;
        });
      }
      await until(() => service.demand.subscribers === 2, 20_000, "demand");
      const received = (): number[] => bobs.map(({ meter }) => meter.received.xmpp);
      let before: number[] = [];
      for (let sent = 0; sent < values.length; sent += batch) {
        if (sent === warmUp * batch) before = received();
        for (const value of values.slice(sent, sent + batch)) service.publish(value);
        await until(() => arrived === 2 * (sent + batch), 20_000, "the batch");
      }
      const after = received();

      const estimate = async (updates: number, bob: Client, compression: string): Promise<number> => {
        const envelope = { from: stack.domain, to: bob.jid, sid: "k3Zq" };
        const estimator = new Estimator({
          ...{ workload: "live", cuts: [{ batch }] },
          envelope: server === "prosody" ? { ...envelope, lang: "en" } : envelope,
        });
        for (const [index, value] of values.slice(0, updates).entries())
          await estimator.add(value, times[index]);
        const row = (await estimator.finish()).find(
          ({ form, transport, ...rest }) =>
            form === "stanzapack" && transport === "tcp" && rest.compression === compression,
        );
        return row?.bytes ?? 0;
      };
      for (const [index, compression] of (["none", "zlib"] as const).entries()) {
        const bob = bobs[index] as Client;
        const estimated =
          (await estimate(values.length, bob, compression)) -
          (await estimate(warmUp * batch, bob, compression));
        const live = (after[index] ?? 0) - (before[index] ?? 0);
        console.log(`${server}, ${batch} a stanza, ${compression}: live ${live}, estimated ${estimated}`);
        expect(Math.abs(estimated / live - 1)).toBeLessThan(0.05);
      }
      await Promise.all([...bobs, alice].map((client) => client.close()));
    },
  );

  it("resumes a compressed session after TCP was killed, again and again", async () => {
    const { connection, bodies } = await listen("carol", true);
    const other = await stack.raw("alice");
    const resumed: boolean[] = [];
    connection.on("online", (info) => resumed.push(info.resumed));
    let count = 0;
    const wanted: string[] = [];
    const exchange = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        wanted.push(`${++count} é€😀 ${"long text ".repeat(i)}`);
        other.send(message(connection.jid, wanted.at(-1) as string));
        connection.send(message(connection.jid, `to myself ${count}`));
        wanted.push(`to myself ${count}`);
      }
      await until(
        () => bodies.length === wanted.length,
        5_000,
        `${wanted.length} messages, not ${bodies.length}`,
      );
    };
    await exchange();
    for (let round = 1; round <= 3; round++) {
      proxy.cut();
      // Sent while the client is away. The server keeps the message in the session, which is then resumed.
      wanted.push(`away ${round}`);
      other.send(message(connection.jid, `away ${round}`));
      await until(() => resumed.length === round, 15_000, "online again");
      expect(connection.compressed).toBe(true);
      await exchange();
    }
    expect(resumed).toEqual([true, true, true]);
    expect([...bodies].sort()).toEqual([...wanted].sort());
    // A fault still ends a resumed stream with its reason.
    const offline = new Promise((resolve) => connection.on("offline", resolve));
    connection.send("<message></wrong>", 1, true);
    expect(await offline).toMatchObject({ reason: { code: "protocol" } });
    await Promise.all([connection.stop(), other.stop()]);
  });

  it("leaves ordinary clients as they were", async () => {
    const { connection, bodies } = await listen("carol", false);
    const resumed = new Promise((resolve) => connection.on("online", (info) => resolve(info.resumed)));
    connection.send(message(connection.jid, "one"));
    await until(() => bodies.length === 1, 5_000, "a message");
    proxy.cut();
    expect(await resumed).toBe(true);
    connection.send(message(connection.jid, "two"));
    await until(() => bodies.length === 2, 5_000, "a message after the break");
    await connection.stop();
  });

  it("takes much at once: more than a stanza's bound, however the server reads it", async () => {
    const { connection, bodies } = await listen("carol", true);
    const breaks: unknown[] = [];
    connection.on("offline", ({ reason }) => breaks.push(reason?.message));
    const sent = connection.meter.sent.xmpp;
    const texts = Array.from({ length: 40 }, (_, i) => `${i} ${"and so on, ".repeat(1_000)}`);
    // The server is stopped, so that everything lies ready when it continues: the worst case of a busy server.
    process.kill(stack.sandbox.pid, "SIGSTOP");
    connection.send(texts.map((text) => message(connection.jid, text)).join(""), texts.length);
    await until(() => connection.meter.sent.xmpp > sent, 5_000, "what may be on its way at once");
    await delay(200);
    process.kill(stack.sandbox.pid, "SIGCONT");
    await until(() => bodies.length === texts.length || breaks.length > 0, 30_000, "all of them");
    expect(breaks).toEqual([]);
    expect(bodies).toEqual(texts);
    expect(connection.meter.sent.xmpp - sent).toBeLessThan(10_000);

    // A stop first writes everything that still waits.
    const other = await listen("bob", true);
    connection.send(texts.map((text) => message(other.connection.jid, text)).join(""), texts.length);
    await connection.stop();
    await until(() => other.bodies.length === texts.length, 5_000, "all that was sent before the stop");
    await other.connection.stop();
  });

  const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024, " "));

  it.runIf(server === "prosody").each([
    ["a bomb", bomb, "Inflates to too much"],
    ["what is not compressed", Buffer.from(HEADER), "Not a zlib stream"],
    [
      "bytes behind the end",
      Buffer.concat([deflateSync(HEADER), bomb]),
      "Data behind the end of the compressed stream",
    ],
  ])("refuses %s, with flat memory, and serves on", async (_, bytes, why) => {
    const { connection, bodies } = await listen("bob", false);
    const before = residentKb(stack.sandbox.pid);
    const socket = await openCompressed(stack, "carol");
    const answer: Buffer[] = [];
    socket.on("data", (data: Buffer) => answer.push(data));
    socket.on("error", () => undefined);
    socket.write(bytes);
    await once(socket, "close");
    expect(inflateSync(Buffer.concat(answer), { finishFlush: constants.Z_SYNC_FLUSH }).toString()).toContain(
      why,
    );
    expect(residentKb(stack.sandbox.pid) - before).toBeLessThan(16 * 1024);
    connection.send(message(connection.jid, "here"));
    await until(() => bodies.length === 1, 5_000, "the others' messages");
    await connection.stop();
  });
});

describe("the stream compression of Prosody's module", () => {
  it("has no more parsed than a multiple of what comes, however it is cut", async () => {
    const stack = await startStack("prosody", ["carol"], { compress: true });
    const socket = await openCompressed(stack, "carol");
    const answer: Buffer[] = [];
    socket.on("data", (data: Buffer) => answer.push(data));
    socket.on("error", () => undefined);
    const closed = once(socket, "close");
    const deflate = createDeflate().on("data", (data: Buffer) => socket.write(data));
    const flush = (text: string): Promise<void> => {
      deflate.write(text);
      return new Promise((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, () => setTimeout(resolve, 10)));
    };
    // Whitespace between stanzas is allowed, and 60,000 spaces compress to less than a hundred bytes.
    await flush(HEADER);
    for (let i = 0; i < 20 && !socket.destroyed; i++) await flush(" ".repeat(60_000));
    await closed;
    const said = inflateSync(Buffer.concat(answer), { finishFlush: constants.Z_SYNC_FLUSH }).toString();
    expect(said).toContain("Inflates to too much");
    await stack.stop();
  });
});

describe.each(SERVERS)("%s without stream compression", (server) => {
  it("refuses a client that asks for it, by name", async () => {
    const stack = await startStack(server, ["alice"]);
    try {
      await expect(stack.connect("alice", { compress: true })).rejects.toMatchObject({ code: "unsupported" });
      await stack.connect("alice");
    } finally {
      await stack.stop();
    }
  });
});

import { existsSync, rmSync } from "node:fs";
import { connect as connectTcp, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { until } from "@stanzapack/testkit";
import type { Connection } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { startStack, type Stack } from "./support/stack.js";

/**
 * Counts, for each connection, how often the client writes after the server has written: the round trips for which it
 * waits, TLS included.
 */
interface TurnCounter {
  readonly url: string;
  readonly turns: number[];
  cut(): void;
  close(): Promise<void>;
}

async function countTurns(port: number): Promise<TurnCounter> {
  const turns: number[] = [];
  const open = new Set<Socket>();
  const server: Server = createServer((client) => {
    const index = turns.push(0) - 1;
    let serverSpoke = true;
    const upstream = connectTcp(port, "127.0.0.1");
    client.setNoDelay(true).on("data", (data) => {
      if (serverSpoke) turns[index] = (turns[index] ?? 0) + 1;
      serverSpoke = false;
      upstream.write(data);
    });
    upstream.setNoDelay(true).on("data", (data) => {
      serverSpoke = true;
      client.write(data);
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(one);
      one.on("error", () => undefined).on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const cut = (): void => open.forEach((socket) => socket.destroy());
  return {
    url: `xmpp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    turns,
    cut,
    close() {
      cut();
      return new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}

/** Id of a client that returns. It makes the client ask for a token at once. */
const clientId = "e6ac1a3c-6f35-4b43-8d0c-21a4a4f9e3b1";

describe("logins on Prosody with SASL2, Bind 2 and FAST", () => {
  let stack: Stack;
  let proxy: TurnCounter;
  beforeAll(async () => {
    stack = await startStack("prosody", ["alice", "bob", "carol", "dave"], { sasl2: true });
    proxy = await countTurns(stack.sandbox.ports.c2s);
  });
  afterAll(async () => {
    await proxy.close();
    await stack.stop();
  });

  /** Turns of the newest connection until it was online. Then the same for a new connection after a cut. */
  async function cutAndCount(
    connection: Connection,
  ): Promise<{ turns: number; resumed: boolean; jid: string }> {
    const again = new Promise<{ turns: number; resumed: boolean; jid: string }>((resolve) => {
      const off = connection.on("online", (info) => {
        off();
        resolve({ ...info, turns: proxy.turns.at(-1) ?? 0 });
      });
    });
    proxy.cut();
    return again;
  }

  it("takes two round trips fewer with a password, three with a token", async () => {
    const plain = await startStack("prosody", ["alice"]);
    const direct = await countTurns(plain.sandbox.ports.c2s);
    const streamManagement = { enabled: false };
    await plain.raw("alice", { url: direct.url, streamManagement });
    const classic = direct.turns.at(-1) as number;
    await direct.close();
    await plain.stop();

    const connection = await stack.raw("alice", { url: proxy.url, streamManagement, clientId });
    const password = proxy.turns.at(-1) as number;
    expect(connection.jid).toMatch(/^alice@localhost\/[\w-]{4}$/);
    const token = await cutAndCount(connection);
    console.log(
      "round trips of a login, TCP's own left out: classic, SASL2 + Bind 2, FAST:",
      classic,
      password,
      token.turns,
    );
    expect(password).toBeLessThanOrEqual(classic - 2);
    expect(token.turns).toBeLessThanOrEqual(classic - 3);
    // The same client gets the same resource.
    expect(token.jid).toBe(connection.jid);
    await connection.stop();
  });

  it("draws another resource while another client has the one it had", async () => {
    // Makes the retry late.
    const random = vi.spyOn(Math, "random").mockReturnValue(0.9);
    onTestFinished(() => random.mockRestore());
    const connection = await stack.raw("alice", {
      url: proxy.url,
      streamManagement: { enabled: false },
      reconnect: { minMs: 2_000, maxMs: 2_000 },
    });
    const { jid } = connection;
    const back = cutAndCount(connection);
    const other = await stack.raw("alice", { resource: jid.slice(jid.indexOf("/") + 1) });
    expect(other.jid).toBe(jid);
    expect((await back).jid).toMatch(/^alice@localhost\/[\w-]{4}$/);
    expect(connection.jid).not.toBe(jid);
    expect(other.state).toBe("online");
    await Promise.all([connection.stop(), other.stop()]);
  });

  it("resumes its session after a login by token", async () => {
    const connection = await stack.raw("bob", { url: proxy.url, resource: "desk", clientId });
    expect(connection.jid).toBe("bob@localhost/desk");
    const got: string[] = [];
    connection.onStanza((stanza) => got.push(stanza.getChildText("body") ?? "") > 0);
    const message = (text: string): string =>
      `<message to='bob@localhost/desk'><body>${text}</body></message>`;
    connection.send(message("one"));
    await until(() => got.includes("one"), 5_000, "a message");
    expect(await cutAndCount(connection)).toMatchObject({ resumed: true });
    connection.send(message("two"));
    await until(() => got.includes("two"), 5_000, "a message after the break");
    await connection.stop();
  });

  it("logs in by password again when the server has forgotten its token", async () => {
    const streamManagement = { enabled: false };
    const connection = await stack.raw("carol", { url: proxy.url, streamManagement, clientId });
    const tokens = join(dirname(stack.sandbox.configFile), "data/localhost/fast_tokens/carol.dat");
    expect(existsSync(tokens)).toBe(true);
    rmSync(tokens);
    const again = await cutAndCount(connection);
    expect(again).toMatchObject({ resumed: false, jid: connection.jid });
    expect(existsSync(tokens)).toBe(true);
    await connection.stop();
  });

  it.each(["websocket", "bosh"] as const)("logs in and is there at once over %s too", async (transport) => {
    const url = transport === "bosh" ? stack.sandbox.boshUrl : stack.sandbox.websocketUrl;
    const streamManagement = { enabled: false };
    const connection = await stack.raw("alice", { url, streamManagement });
    expect(connection.transport).toBe(transport);
    // The resource is bound together with the login.
    expect(connection.jid).toMatch(/^alice@localhost\/[\w-]{4}$/);
    const other = await stack.raw("bob");
    const delays: number[] = [];
    let sentAt = 0;
    connection.onStanza((stanza) => stanza.is("message") && delays.push(performance.now() - sentAt) > 0);
    for (let i = 1; i <= 10; i++) {
      sentAt = performance.now();
      other.send(`<message to='${connection.jid}'><body>${i}</body></message>`);
      await until(() => delays.length === i, 5_000, "a message");
    }
    // The shortest delay. A request that waits before it is sent would add a quarter of a second to each delay.
    expect(Math.min(...delays)).toBeLessThan(125);
    await Promise.all([connection.stop(), other.stop()]);
  });

  it("leaves no token behind on the server when it logs in once", async () => {
    const connection = await stack.raw("dave");
    expect(existsSync(join(dirname(stack.sandbox.configFile), "data/localhost/fast_tokens/dave.dat"))).toBe(
      false,
    );
    await connection.stop();
  });

  it("is offered a token over BOSH too", async () => {
    const connection = await stack.raw("dave", { url: stack.sandbox.boshUrl, clientId });
    const tokens = join(dirname(stack.sandbox.configFile), "data/localhost/fast_tokens/dave.dat");
    expect(existsSync(tokens)).toBe(true);
    await connection.stop();
  });

  it("refuses a wrong password for good", async () => {
    await expect(stack.raw("bob", { password: "wrong" })).rejects.toMatchObject({ code: "auth" });
  });

  it("carries the SDK's streams as ever", async () => {
    const alice = await stack.connect("alice");
    const bob = await stack.connect("bob");
    const service = await alice.offer("quick");
    const subscription = await bob.subscribe<number>("alice@localhost/quick");
    const values: number[] = [];
    subscription.on("update", ({ value }) => values.push(value));
    await until(() => service.demand.subscribers === 1, 5_000, "demand");
    for (let i = 1; i <= 100; i++) service.publish(i);
    await until(() => values.at(-1) === 100, 5_000, "the last value");
    expect(values).toHaveLength(100);
  });
});

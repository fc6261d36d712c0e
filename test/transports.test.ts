import { startHttpFaultProxy, until, type HttpFault } from "@stanzapack/testkit";
import { createClientConnection, NS, xml, type Connection } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { expectComplete, hear } from "./support/completeness.js";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";
import { loginOf, startTransportProxies, TRANSPORTS, urlOf } from "./support/transport-proxies.js";

/** Stanzas through the faulty proxy in each direction. 10,000 take a minute. */
const STANZAS = Number(process.env["STANZAPACK_BOSH_STANZAS"] ?? 1_000);

describe.each(SERVERS)("transports to %s", (server) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"]);
  });
  afterAll(() => stack.stop());

  describe.each(TRANSPORTS)("%s", (transport) => {
    it("carries a service from its publisher to its subscriber with nothing lost", async () => {
      const url = urlOf(stack, transport);
      const alice = await stack.connect("alice", { url });
      const bob = await stack.connect("bob", { url });
      const service = await alice.offer("counter");
      const counter = publishCounter((value) => service.publish(value), 10);
      const subscription = await bob.subscribe<number>("alice@localhost/counter", { windowMs: 100 });
      const heard = hear(subscription);
      await until(() => heard.updates.length > 200, 20_000, "values");
      counter.stop();
      await until(() => heard.updates.at(-1)?.value === counter.count, 5_000, "the newest value");
      expectComplete(heard);
      await Promise.all([alice.close(), bob.close()]);
    });

    it("answers many requests made at once, session after session", async () => {
      const alice = await stack.connect("alice", { url: urlOf(stack, transport) });
      const names = ["a", "b", "c", "d", "e", "f"];
      await Promise.all(names.map((name) => alice.offer(name)));
      for (let i = 0; i < 5; i++) {
        // ejabberd holds a request that overtakes another until it has answered the other.
        const bob = await stack.connect("bob", { url: urlOf(stack, transport), timeoutMs: 10_000 });
        await Promise.all(names.map(() => bob.listServices("alice@localhost")));
        await bob.close();
      }
      await alice.close();
    });

    it("leaves no sockets and no timers behind after 40 rounds", async () => {
      const resources = (): number =>
        process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout|HTTP/.test(name)).length;
      const round = async (): Promise<void> => {
        const connection = createClientConnection({
          ...loginOf(stack, "carol"),
          url: urlOf(stack, transport),
          resource: "r",
        });
        await connection.start();
        expect(connection.transport).toBe(transport);
        await connection.stop();
        expect(connection.transport).toBeUndefined();
      };
      await round();
      const before = resources();
      for (let i = 0; i < 40; i++) await round();
      await until(() => resources() <= before + 2, 10_000, "everything is freed");
    });
  });

  it("delivers over BOSH once and in order while requests and answers are lost, late and overtaken", async () => {
    const { host, ports } = stack.sandbox;
    const proxy = await startHttpFaultProxy({ host, port: ports.http });
    onTestFinished(() => proxy.close());
    const random = createRandom(7);
    const chooseFault = (): HttpFault => {
      const dice = random();
      if (dice < 0.04) return { lose: "request" };
      if (dice < 0.08) return { lose: "answer" };
      if (dice < 0.1) return { lose: "answer-silently" };
      if (dice < 0.12) return { status: 503 };
      if (dice < 0.35) return { answerDelayMs: 1 + 60 * random() };
      if (dice < 0.5) return { requestDelayMs: 1 + 40 * random() };
      return {};
    };
    const open = async (user: string, url: string): Promise<Connection> => {
      const connection = createClientConnection({
        ...loginOf(stack, user),
        url,
        resource: "o",
        bosh: { waitMs: 3_000, answerMs: 1_500, overtakenMs: 150 },
      });
      onTestFinished(() => connection.stop());
      await connection.start();
      return connection;
    };
    const bob = await open("bob", stack.sandbox.url);
    const carol = await open("carol", stack.sandbox.boshUrl.replace(`:${ports.http}`, `:${proxy.port}`));
    const offline: unknown[] = [];
    carol.on("offline", ({ reason }) => offline.push(reason));
    proxy.decide = chooseFault;

    const collect = (connection: Connection): string[] => {
      const texts: string[] = [];
      connection.onStanza((stanza) => {
        if (stanza.name !== "message") return false;
        texts.push(stanza.getChildText("body") ?? "");
        return true;
      });
      return texts;
    };
    const [atBob, atCarol] = [collect(bob), collect(carol)];
    const expected = Array.from({ length: STANZAS }, (_, i) => String(i));
    for (let sent = 0; sent < STANZAS;) {
      for (let i = 0; i < 5 && sent < STANZAS; i++, sent++) {
        carol.send(`<message type='headline' to='${bob.jid}'><body>${sent}</body></message>`);
        bob.send(`<message type='headline' to='${carol.jid}'><body>${sent}</body></message>`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const within = 60_000 + 20 * STANZAS;
    await until(() => atBob.length >= STANZAS && atCarol.length >= STANZAS, within, "all stanzas").catch(
      (error: unknown) => {
        console.error(atBob.length, atCarol.length, proxy.counts, offline);
        throw error;
      },
    );
    expect(atBob).toEqual(expected);
    expect(atCarol).toEqual(expected);
    expect(offline).toEqual([]);
    expect(proxy.counts.lost).toBeGreaterThan(0);
    // On a slow machine the requests may have been so far apart that no answer overtook another.
    let isLate = false;
    proxy.decide = () => ((isLate = !isLate) ? { answerDelayMs: 1_000 } : {});
    const overtakes = (): boolean => {
      if (proxy.counts.overtaken > 0) return true;
      carol.send(`<message type='headline' to='${bob.jid}'><body>${atBob.length}</body></message>`);
      return false;
    };
    await until(overtakes, 60_000, "an answer overtakes another");
    proxy.decide = () => ({});
  }, 600_000);

  it("is back soon where a request that was overtaken leaves the server standing", async () => {
    const { host, ports } = stack.sandbox;
    const proxy = await startHttpFaultProxy({ host, port: ports.http });
    onTestFinished(() => proxy.close());
    const alice = await stack.connect("alice");
    await Promise.all(["a", "b"].map((name) => alice.offer(name)));
    const url = stack.sandbox.boshUrl.replace(`:${ports.http}`, `:${proxy.port}`);
    const bob = await stack.connect("bob", { url });
    const first = await bob.subscribe("alice@localhost/a");
    // The next empty request, which the server should hold, is late, and the one after it arrives first. ejabberd then
    // answers neither.
    let late = false;
    proxy.decide = (_, body) => {
      if (late || body.includes("</body>")) return {};
      late = true;
      return { requestDelayMs: 700 };
    };
    await first.stop();
    await until(() => late, 10_000, "a request to be held");
    const began = performance.now();
    await bob.subscribe("alice@localhost/b");
    // Otherwise ejabberd answers the request that it holds after 30 s.
    expect(performance.now() - began).toBeLessThan(20_000);
    await Promise.all([alice.close(), bob.close()]);
  });

  it.each([
    { blocked: [], expected: "tcp" },
    { blocked: ["tcp"], expected: "websocket" },
    { blocked: ["websocket"], expected: "tcp" },
    { blocked: ["tcp", "websocket"], expected: "bosh" },
  ] as const)("chooses $expected while $blocked is blocked", async ({ blocked, expected }) => {
    const proxies = await startTransportProxies(stack);
    for (const how of ["refuse", "stall"] as const) {
      proxies.block(blocked, how);
      const connection = createClientConnection({
        ...loginOf(stack, "alice"),
        urls: proxies.urls,
        reconnect: { minMs: 1, maxMs: 200 },
        timeouts: { onlineMs: 9_000 },
        // Ten times as long as a session on an idle machine needs after a cut.
        bosh: { giveUpMs: 5_000, waitMs: 1_000, answerMs: 500 },
      });
      onTestFinished(() => connection.stop());
      await connection.start();
      expect(connection.transport).toBe(expected);
      proxies.block([], how);

      // The transport that worked last is tried first. If it does not work any more, another one is used.
      const chosen = proxies.of(expected);
      let onlineCount = 0;
      const resumed: boolean[] = [];
      connection.on("online", (info) => {
        onlineCount++;
        resumed.push(info.resumed);
      });
      // Together with this answer, the server has also said how to resume.
      const ping = xml("iq", { type: "get", to: "localhost" }, xml("ping", NS.PING));
      await connection.request(ping);
      chosen.cut();
      // A BOSH session does not notice the cut.
      if (expected !== "bosh") await until(() => onlineCount === 1, 20_000, "online again");
      expect(connection.transport).toBe(expected);
      await connection.request(ping);
      proxies.block([expected], "refuse");
      chosen.cut();
      await until(() => ![undefined, expected].includes(connection.transport), 30_000, "another one");
      // A session is resumed only on the transport on which it began.
      if (expected !== "bosh") expect(resumed).toEqual([true, false]);
      proxies.block([], "refuse");
      await connection.stop();
    }
  });
});

/** Mulberry32, so that each run has the same faults. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

import { until } from "@stanzapack/testkit";
import {
  createClientConnection,
  NS,
  xml,
  type ClientConnectionOptions,
  type Connection,
  type TransportKind,
} from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { SERVERS, startStack, type Stack } from "./support/stack.js";
import {
  loginOf,
  startTransportProxies,
  TRANSPORTS,
  type TransportProxies,
} from "./support/transport-proxies.js";

/** Longest time to get online on any transport, in ms. */
const ONLINE_MS = 6_000;
/**
 * Longest time from the last sign of life to the verdict, in ms: it asks after 0.2 s, and waits 1 s. BOSH asks by
 * itself.
 */
const NOTICE_MS = 2_500;
/** Additional time that a busy machine needs, in ms. */
const SLACK_MS = 4_000;

const BOSH = { waitMs: 1_000, answerMs: 500, overtakenMs: 200, giveUpMs: 800 };
const OPTIONS: Partial<ClientConnectionOptions> = {
  reconnect: { minMs: 1, maxMs: 200 },
  timeouts: { onlineMs: ONLINE_MS, closeMs: 200 },
  streamManagement: { requestAfterMs: 200, answerMs: 1_000 },
  bosh: BOSH,
};

const ping = () => xml("iq", { type: "get", to: "localhost" }, xml("ping", NS.PING));

describe.each(SERVERS)("when the network changes, behind %s", (server) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack(server, ["alice"]);
  });
  afterAll(() => stack.stop());

  /**
   * A client that is online by this transport, the only one that was open. Now all others are open too. `giveUpMs` is
   * for BOSH sessions.
   */
  async function onlineBy(
    transport: TransportKind,
    giveUpMs = BOSH.giveUpMs,
  ): Promise<{ connection: Connection; proxies: TransportProxies; resumed: boolean[]; elapsedMs: number }> {
    const proxies = await startTransportProxies(stack);
    proxies.block(
      TRANSPORTS.filter((it) => it !== transport),
      "refuse",
    );
    const connection = createClientConnection({
      ...loginOf(stack, "alice"),
      urls: proxies.urls,
      ...OPTIONS,
      bosh: { ...BOSH, giveUpMs },
    });
    onTestFinished(() => connection.stop());
    const resumed: boolean[] = [];
    connection.on("online", (info) => resumed.push(info.resumed));
    const start = performance.now();
    await connection.start();
    const elapsedMs = performance.now() - start;
    expect(connection.transport).toBe(transport);
    // Together with this answer, the server has also said how to resume.
    await connection.request(ping());
    proxies.block([], "refuse");
    return { connection, proxies, resumed, elapsedMs };
  }

  /** Resolves with the new transport when the client is online by another one. */
  async function another(
    connection: Connection,
    than: TransportKind,
    withinMs: number,
  ): Promise<TransportKind> {
    const changed = (): boolean => connection.state === "online" && connection.transport !== than;
    await until(changed, withinMs, `online by another way than ${than}`);
    await connection.request(ping());
    return connection.transport as TransportKind;
  }

  /** Ways in which a connection dies without a sign to anybody. It stays dead. */
  const DEATHS = [
    {
      how: "half open",
      kill: (proxies: TransportProxies, transport: TransportKind) => {
        const proxy = proxies.of(transport);
        proxy.halfOpen("server");
        proxy.stall = true;
      },
    },
    {
      how: "deaf: nothing reaches the server",
      kill: (proxies: TransportProxies, transport: TransportKind) => {
        proxies.of(transport).toServer.drop = true;
      },
    },
    {
      how: "dumb: nothing comes from the server",
      kill: (proxies: TransportProxies, transport: TransportKind) => {
        proxies.of(transport).toClient.drop = true;
      },
    },
  ];

  describe.each(TRANSPORTS)("%s", (transport) => {
    it.each(DEATHS)("is noticed to be $how, and another way is found in time", async ({ kill }) => {
      const { connection, proxies } = await onlineBy(transport);
      kill(proxies, transport);
      connection.send("<message to='localhost' type='headline'><body>anybody there?</body></message>");
      const next = await another(connection, transport, NOTICE_MS + ONLINE_MS + SLACK_MS);
      // The transport that works now is blocked, and the first one is still dead: only the third can open.
      const last = TRANSPORTS.find((it) => it !== transport && it !== next) as TransportKind;
      proxies.block([next], "refuse");
      proxies.of(next).cut();
      expect(await another(connection, next, NOTICE_MS + ONLINE_MS + SLACK_MS)).toBe(last);
    });

    it("is half open, and used again: what vanished is sent again, once", async () => {
      // ejabberd (23.01) answers neither of two requests whose connections were lost together. So there is a new
      // session, and an event about it.
      const isNew = server === "ejabberd" && transport === "bosh";
      const { connection, proxies, resumed } = await onlineBy(transport, isNew ? BOSH.giveUpMs : 10_000);
      const texts: string[] = [];
      connection.onStanza((stanza) => {
        if (stanza.name !== "message") return false;
        texts.push(stanza.getChildText("body") ?? "");
        return true;
      });
      proxies.of(transport).halfOpen("server");
      for (let i = 0; i < 10; i++)
        connection.send(`<message to='${connection.jid}' type='headline'><body>${i}</body></message>`);
      if (isNew) {
        await until(() => resumed.length === 2, NOTICE_MS + ONLINE_MS + SLACK_MS, "a new session");
        await connection.request(ping());
        expect(resumed).toEqual([false, false]);
        return;
      }
      const numbers = Array.from({ length: 10 }, (_, i) => String(i));
      await until(() => texts.length >= 10, NOTICE_MS + ONLINE_MS + SLACK_MS, "what vanished");
      await connection.request(ping());
      expect(texts).toEqual(numbers);
      expect(connection.transport).toBe(transport);
      // A BOSH session outlives its connections.
      expect(resumed).toEqual(transport === "bosh" ? [false] : [false, true]);
    });

    it("gets online over a slow and uneven network", async () => {
      const proxies = await startTransportProxies(stack);
      for (const { toServer, toClient } of proxies.all) {
        Object.assign(toServer, { delayMs: 60, jitterMs: 40, bytesPerSecond: 20_000 });
        Object.assign(toClient, { delayMs: 60, jitterMs: 40, bytesPerSecond: 40_000 });
      }
      const connection = createClientConnection({
        ...loginOf(stack, "alice"),
        url: proxies.urls[TRANSPORTS.indexOf(transport)],
        timeouts: { onlineMs: 10 * ONLINE_MS },
      });
      onTestFinished(() => connection.stop());
      await connection.start();
      const start = performance.now();
      await connection.request(ping());
      // The delay both ways.
      expect(performance.now() - start).toBeGreaterThan(110);
    });
  });

  it("is online in time when both TCP and WebSocket swallow everything, and when all do, knows in time", async () => {
    const proxies = await startTransportProxies(stack);
    proxies.block(["tcp", "websocket"], "stall");
    const start = performance.now();
    const connection = createClientConnection({ ...loginOf(stack, "alice"), urls: proxies.urls, ...OPTIONS });
    onTestFinished(() => connection.stop());
    await connection.start();
    expect(connection.transport).toBe("bosh");
    expect(performance.now() - start).toBeLessThan(ONLINE_MS);
    proxies.block(TRANSPORTS, "stall");
    const hopeless = createClientConnection({ ...loginOf(stack, "alice"), urls: proxies.urls, ...OPTIONS });
    const again = performance.now();
    await expect(hopeless.start()).rejects.toMatchObject({ code: "timeout" });
    expect(performance.now() - again).toBeLessThan(ONLINE_MS + SLACK_MS);
    await hopeless.stop();
  });
});

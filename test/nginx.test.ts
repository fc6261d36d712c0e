import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { startNginx, type Nginx, type NginxBehaviour } from "@stanzapack/sandbox";
import { until } from "@stanzapack/testkit";
import { createClientConnection, NS, xml, type Connection } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { accountOf } from "./support/accounts.js";
import { launchChromium, serveExample } from "./support/browser.js";
import { expectComplete, hear, type Heard } from "./support/completeness.js";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";

/** Whether to print the table of `docker/README.md`. */
const SHOW_SIZES = process.env["STANZAPACK_SHOW_SIZES"] === "1";

const PING = xml("iq", { type: "get", to: "localhost" }, xml("ping", NS.PING));

/** Address at which nothing listens. */
const REFUSED = "xmpp://127.0.0.1:9";

/** Contents of an answer: characters of base64 or of JSON. */
const KINDS = ["empty", "shortest", "ibb 60", "ibb 300", "ibb 1000", "json 60", "json 300", "json 1000"];

/** `http` has HTTP/1.1 without TLS, and `https` has HTTP/2. */
const VERSIONS = [
  { version: "HTTP/1.1", bosh: "plainBoshUrl", websocket: "plainWebsocketUrl" },
  { version: "HTTP/2", bosh: "boshUrl", websocket: "websocketUrl" },
] as const;

describe.each(SERVERS)("nginx in front of %s", (server) => {
  let stack: Stack;
  let nginx: Nginx;
  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"]);
    nginx = await startNginx({ upstreamPort: stack.sandbox.ports.http });
  });
  afterAll(async () => {
    await stack.stop();
    await nginx.stop();
  });

  const ca = (): string => `${stack.sandbox.ca}\n${nginx.ca}`;
  const login = (user: string): { jid: string; password: string; ca: string } => ({
    ...accountOf(stack.sandbox, user),
    ca: ca(),
  });

  describe.each(VERSIONS)("$version", ({ version, bosh, websocket }) => {
    it.each([
      ["BOSH", bosh],
      ["WebSocket", websocket],
    ] as const)("carries values over %s with nothing lost", async (_name, url) => {
      const alice = await stack.connect("alice", { url: nginx[url], ca: ca() });
      const bob = await stack.connect("bob", { url: nginx[url], ca: ca() });
      const service = await alice.offer("counter");
      const counter = publishCounter((value) => service.publish({ value, text: "ü€😀 ".repeat(20) }), 10);
      const subscription = await bob.subscribe<{ value: number; text: string }>("alice@localhost/counter", {
        windowMs: 100,
      });
      const heard = hear(subscription, ({ value, text }) => {
        expect(text).toBe("ü€😀 ".repeat(20));
        return value;
      });
      await until(() => heard.updates.length > 200, 20_000, "values");
      counter.stop();
      await until(() => heard.updates.at(-1)?.value === counter.count, 5_000, "the newest value");
      expectComplete(heard);
      await Promise.all([alice.close(), bob.close()]);
    });

    it("answers many requests made at once, session after session, and leaves nothing behind", async () => {
      const alice = await stack.connect("alice");
      const names = ["a", "b", "c", "d", "e", "f"];
      await Promise.all(names.map((name) => alice.offer(name)));
      const round = async (): Promise<void> => {
        // ejabberd holds a request that overtakes another until it has answered the other. nginx has several
        // connections to ejabberd.
        const bob = await stack.connect("bob", { url: nginx[bosh], ca: ca(), timeoutMs: 10_000 });
        await Promise.all(names.map(() => bob.listServices("alice@localhost")));
        await bob.close();
      };
      const resources = (): number =>
        process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout|HTTP/.test(name)).length;
      await round();
      const before = resources();
      for (let i = 0; i < 10; i++) await round();
      await until(() => resources() <= before + 2, 10_000, "everything is freed");
      await alice.close();
    });

    it("makes answers smaller from the configured length on, and larger well below it", async () => {
      const plain = await measureAnswers({ gzip: false }, bosh);
      const compressed = await measureAnswers({ gzipMinLengthBytes: 1 }, bosh);
      if (SHOW_SIZES)
        console.table(
          Object.entries(plain).map(([what, bytes]) => ({ what, [version]: bytes, gzip: compressed[what] })),
        );
      for (const [what, bytes] of Object.entries(plain)) {
        const gzip = compressed[what];
        if (what !== "empty") expect(gzip, what).toBeLessThan(bytes);
        // In HTTP/2 Prosody's empty answer of 148 bytes becomes no smaller and no larger. A date may be a byte shorter.
        else expect(gzip, what).toBeGreaterThan(version === "HTTP/1.1" ? bytes : bytes - 12);
      }
      // With the configured length, each answer has its smaller form.
      const configured = await measureAnswers({}, bosh, ["empty", "shortest"]);
      // HTTP/2 writes some dates a byte shorter.
      expect(Math.abs((configured["empty"] as number) - (plain["empty"] as number))).toBeLessThan(4);
      expect(configured["shortest"]).toBeLessThan(plain["shortest"] as number);
    });
  });

  /** Bytes of one answer of each kind, with HTTP headers, as the client's own meter counts them. */
  async function measureAnswers(
    behaviour: NginxBehaviour,
    url: "plainBoshUrl" | "boshUrl",
    wanted: readonly string[] = KINDS,
  ): Promise<Readonly<Record<string, number>>> {
    const proxy = await startNginx({ upstreamPort: stack.sandbox.ports.http, ...behaviour });
    onTestFinished(() => proxy.stop());
    const sender = await stack.raw("alice");
    const receiver = await stack.raw("carol", {
      url: proxy[url],
      ca: `${ca()}\n${proxy.ca}`,
      resource: "r",
    });
    let received = 0;
    receiver.onStanza((stanza) => stanza.is("message") && ++received > 0);
    const take = async (payload: string): Promise<void> => {
      const target = received + 1;
      sender.send(`<message to='${receiver.jid}' type='headline'>${payload}</message>`);
      await until(() => received === target, 5_000, "the message");
      await quiet(receiver, sender);
    };
    const act = async (kind: string): Promise<void> => {
      const [form, length = ""] = kind.split(" ");
      const size = Number(length);
      if (form === "empty") {
        // A new request of the client makes the server answer the request that it holds, without content.
        const before = receiver.meter.received.xmpp;
        receiver.send(`<message to='${sender.jid}' type='headline'><body>1</body></message>`);
        await until(() => receiver.meter.received.xmpp > before, 5_000, "the answer");
        await quiet(receiver, sender);
      } else if (form === "ibb") {
        const data = randomBytes((size * 3) / 4).toString("base64");
        await take(`<data xmlns='${NS.IBB}' seq='1' sid='abcd'>${data}</data>`);
      } else if (form === "json") {
        const json = JSON.stringify(Array.from({ length: size / 10 }, () => ({ t: Math.random() * 50 })));
        await take(`<body>${json.slice(0, size)}</body>`);
      } else {
        // ejabberd's answer then has 230 bytes; Prosody's shortest with a message has 277.
        await take(`<body>${server === "prosody" ? "1" : "a reading: 21.4 22.5 23.1 22.9 21.6 20.8"}</body>`);
      }
    };
    const sizes: Record<string, number> = {};
    await quiet(receiver, sender);
    for (const kind of wanted) {
      const each: number[] = [];
      for (let i = 0; i < 3; i++) {
        // Over HTTP/1.1 a client that receives only short answers stops asking for compression.
        await take(`<body>${"long enough for that ".repeat(100)}</body>`);
        const before = receiver.meter.received.xmpp;
        await act(kind);
        each.push(receiver.meter.received.xmpp - before);
      }
      // The median, since another answer may arrive meanwhile.
      sizes[kind] = each.sort((a, b) => a - b)[1] ?? NaN;
    }
    await receiver.stop();
    await sender.stop();
    return sizes;
  }

  const connectBy = async (
    urls: readonly string[],
    extra: readonly Nginx[] = [],
    /** Time for which a BOSH session is retried, in ms. */
    giveUpMs = 500,
  ): Promise<Connection> => {
    const connection = createClientConnection({
      ...login("alice"),
      ca: [ca(), ...extra.map((it) => it.ca)].join("\n"),
      urls,
      reconnect: { minMs: 1, maxMs: 200 },
      timeouts: { onlineMs: 9_000 },
      bosh: { giveUpMs, waitMs: 2_000, answerMs: 1_000 },
    });
    onTestFinished(() => connection.stop());
    await connection.start();
    return connection;
  };

  it.each([403, 404, 426, 502, "strip"] as const)(
    "leaves BOSH where TCP is refused and WebSocket is answered with %s",
    async (webSocket) => {
      const blocked = await startNginx({ upstreamPort: stack.sandbox.ports.http, webSocket });
      onTestFinished(() => blocked.stop());
      for (const [websocketUrl, boshUrl] of [
        [blocked.websocketUrl, blocked.boshUrl],
        [blocked.plainWebsocketUrl, blocked.plainBoshUrl],
      ] as const) {
        const connection = await connectBy([REFUSED, websocketUrl, boshUrl], [blocked]);
        expect(connection.transport).toBe("bosh");
        await connection.request(PING);
        await connection.stop();
      }
    },
  );

  it("goes over to BOSH when the network begins to block WebSocket, and survives a reload there", async () => {
    const changing = await startNginx({ upstreamPort: stack.sandbox.ports.http });
    onTestFinished(() => changing.stop());
    const urls = [REFUSED, changing.websocketUrl, changing.boshUrl];
    // On a busy machine a reload takes longer than the usual bound.
    const connection = await connectBy(urls, [changing], 30_000);
    expect(connection.transport).toBe("websocket");
    await connection.request(PING);
    await changing.reload({ webSocket: 403 });
    await until(() => connection.transport === "bosh", 20_000, "BOSH");
    await connection.request(PING);
    // A BOSH session survives a reload: the client makes its requests again.
    const offline: unknown[] = [];
    connection.on("offline", ({ reason }) => offline.push(reason));
    await changing.reload({ gzip: false });
    await connection.request(PING);
    expect(offline).toEqual([]);
    expect(connection.transport).toBe("bosh");
  });

  it("is used by Chromium over HTTP/2, from a page of another origin", async () => {
    const [browser, example] = await Promise.all([launchChromium({ trustAll: true }), serveExample()]);
    onTestFinished(async () => {
      await browser.close();
      await example.close();
    });
    const open = await startNginx({
      upstreamPort: stack.sandbox.ports.http,
      origins: [new URL(example.url).origin],
    });
    onTestFinished(() => open.stop());
    const alice = await stack.connect("alice");
    onTestFinished(() => alice.close());
    const service = await alice.offer("numbers");
    const counter = publishCounter((value) => service.publish(value), 50);
    const page = await browser.context.newPage();
    const protocols = new Set<string>();
    const devtools = await browser.context.newCDPSession(page);
    await devtools.send("Network.enable");
    devtools.on("Network.responseReceived", ({ response }) => {
      if (response.url === open.boshUrl) protocols.add(`${response.protocol} ${response.status}`);
    });
    await page.goto(example.url);
    const { jid, password } = login("bob");
    const heard = await page.evaluate<Heard>(`(async () => {
      const { connect } = await import("./stanzapack.js");
      const options = ${JSON.stringify({ jid, password, component: stack.domain, url: open.boshUrl })};
      const me = await connect(options);
      const numbers = await me.subscribe("alice@localhost/numbers", { windowMs: 100 });
      const [updates, ranges] = [[], []];
      for (const event of ["lost", "conflated", "reset"])
        numbers.on(event, ({ from, to }) => ranges.push({ event, from, to }));
      for await (const { value, offset } of numbers) if (updates.push({ value, offset }) > 50) break;
      await me.close();
      return { updates, ranges };
    })()`);
    counter.stop();
    expectComplete(heard);
    expect([...protocols]).toEqual(["h2 200"]);
    // Pages of any other origin may not read the answers.
    await open.reload({ origins: [] });
    const refused = await page.evaluate<string>(
      `fetch(${JSON.stringify(open.boshUrl)}, { method: "POST", body: "<body/>" }).catch(String)`,
    );
    expect(refused).toContain("Failed to fetch");
  });
});

describe("a private nginx", () => {
  it("leaves neither process nor folder, and nobody else's port taken", async () => {
    const both = await Promise.all([startNginx({ upstreamPort: 9 }), startNginx({ upstreamPort: 9 })]);
    const ports = both.flatMap((it) => Object.values(it.ports));
    expect(new Set(ports).size).toBe(4);
    for (const it of both) {
      expect((await fetch(it.plainBoshUrl)).status).toBe(502);
      await Promise.all([it.stop(), it.stop()]);
      expect(() => process.kill(it.pid, 0)).toThrow("ESRCH");
      expect(existsSync(it.configFile)).toBe(false);
      await expect(it.reload({ gzip: false })).rejects.toMatchObject({ code: "stopped" });
    }
  });

  it("that is not wanted any more does not start", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(startNginx({ upstreamPort: 9, signal })).rejects.toThrow("enough");
  });
});

/**
 * Waits until nothing arrives while the server answers another client three times. Then the server has nothing more to
 * do.
 */
async function quiet(connection: Connection, other: Connection): Promise<void> {
  for (let last = -1; last !== connection.meter.received.xmpp;) {
    last = connection.meter.received.xmpp;
    for (let i = 0; i < 3; i++) {
      await other.request(PING);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

import { once } from "node:events";
import http from "node:http";
import type net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { httpsGet } from "../http/https-get.web.js";
import { createHttpPoster as createNodePoster } from "../http/http-poster.node.js";
import { createHttpPoster as createWebPoster } from "../http/http-poster.web.js";
import { startFakeBosh, type FakeBosh } from "../testing/fake-bosh.js";
import { until } from "../testing/until.js";
import { openWebSocket as openNodeWebSocket } from "../transports/websocket.node.js";
import { openWebSocket as openWebWebSocket } from "../transports/websocket.web.js";

// Node has the same `fetch`, and the package `ws` the same class, as browsers have.
Object.assign(globalThis, { WebSocket });

const tls = { domain: "example.test" };
const never = new AbortController().signal;

describe.each([
  ["Node's HTTP", createNodePoster],
  ["a browser's HTTP", createWebPoster],
])("%s", (_, createPoster) => {
  let server: FakeBosh;
  afterEach(() => server.close());
  const body = "<body xmlns='http://jabber.org/protocol/httpbind' rid='1'>ü</body>";

  it("posts and reads, and is free again", async () => {
    server = await startFakeBosh(({ answer }) => {
      answer("€");
    });
    const poster = createPoster(server.url, { tls, maxAnswerBytes: 1_000 });
    const { status, text } = await poster.post(body, never);
    expect([status, server.requests[0]?.body]).toEqual([200, body]);
    expect(text).toMatch(/^<body .*>€<\/body>$/);
    expect(server.requests[0]?.head["content-type"]).toBe("text/xml; charset=utf-8");
    expect(poster.sent.xmpp).toBeGreaterThanOrEqual(Buffer.byteLength(body));
    expect(poster.received.xmpp).toBeGreaterThanOrEqual(Buffer.byteLength(text));
    poster.close();
    const closed = poster.post(body, never);
    await expect(closed).rejects.toBeInstanceOf(Error);
  });

  it.each([
    ["a bomb", 1, { code: "protocol" }],
    ["what is not UTF-8", 2, { code: "protocol" }],
    ["a cut connection", 3, { code: "disconnected" }],
  ])("rejects for %s", async (_name, kind, error) => {
    server = await startFakeBosh(({ response }) => {
      response.on("error", () => undefined);
      if (kind === 1) response.end("x".repeat(100_000));
      else if (kind === 2) response.end(Buffer.from([0xff, 0xfe]));
      else response.socket?.destroy();
    });
    const poster = createPoster(server.url, { tls, maxAnswerBytes: 1_000 });
    await expect(poster.post(body, never)).rejects.toMatchObject(error);
    poster.close();
  });

  it("follows no redirect, and stops at once when told to", async () => {
    server = await startFakeBosh(({ response }, index) => {
      if (index === 0) response.writeHead(302, { Location: "/elsewhere" }).end();
    });
    const poster = createPoster(server.url, { tls, maxAnswerBytes: 1_000 });
    expect((await poster.post(body, never)).status).not.toBe(200);
    expect(server.requests).toHaveLength(1);
    const cancel = new AbortController();
    const reason = new Error("enough");
    const posting = poster.post(body, cancel.signal);
    await server.request(1);
    cancel.abort(reason);
    await expect(posting).rejects.toBe(reason);
    poster.close();
  });
});

it("a browser's host-meta must come over HTTPS", async () => {
  const server = http.createServer((_, response) => response.end("{}")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(`http://127.0.0.1:${String((server.address() as net.AddressInfo).port)}/`);
  await expect(httpsGet(url, { maxBytes: 10 }, never)).rejects.toMatchObject({ code: "tls" });
  server.close();
});

describe.each([
  ["Node's WebSocket", openNodeWebSocket],
  ["a browser's WebSocket", openWebWebSocket],
])("%s", (_, openWebSocket) => {
  it("carries texts both ways, refuses others, and says when it is closed", async () => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    const peers: WebSocket[] = [];
    const got: string[] = [];
    server.on("connection", (peer) => {
      peers.push(peer);
      peer.on("error", () => undefined);
      peer.on("message", (data: Buffer) => got.push(data.toString()));
    });
    const url = new URL(`ws://127.0.0.1:${String((server.address() as net.AddressInfo).port)}/`);
    const open = async () => {
      const seen = { texts: [] as unknown[], ends: [] as unknown[] };
      const raw = await openWebSocket(
        url,
        { tls, maxMessageBytes: 100 },
        { onText: (...text) => seen.texts.push(text), onClose: (error) => seen.ends.push(error) },
        never,
      );
      await until(() => peers.length > 0);
      return { raw, seen, peer: peers.pop() as WebSocket };
    };
    const first = await open();
    first.raw.send("ü");
    first.peer.send("€");
    await until(() => got.length === 1 && first.seen.texts.length === 1);
    expect([got, first.seen.texts]).toEqual([["ü"], [["€", 3]]]);
    first.raw.close();
    await until(() => first.seen.ends.length === 1);
    expect(first.seen.ends).toEqual([undefined]);
    for (const bad of [Buffer.from("<a/>"), "x".repeat(101)]) {
      const other = await open();
      other.peer.send(bad);
      await until(() => other.seen.ends.length === 1);
      expect(other.seen).toMatchObject({ texts: [], ends: [{ code: "protocol" }] });
    }
    server.close();
    await expect(
      openWebSocket(
        url,
        { tls, maxMessageBytes: 100 },
        { onText: () => undefined, onClose: () => undefined },
        never,
      ),
    ).rejects.toMatchObject({ code: "unreachable" });
  });
});

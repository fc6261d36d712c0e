import { once } from "node:events";
import https from "node:https";
import net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import type { XmppError } from "../base/errors.js";
import { createSecureContext, type TlsOptions } from "./stream-socket.node.js";
import { createCertificate } from "../testing/fake-server.js";
import { until } from "../testing/until.js";
import { connectWebSocket, type WebSocketSocket } from "./websocket-socket.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const life = new AbortController().signal;
const portOf = (server: { address(): unknown }): number => (server.address() as net.AddressInfo).port;

async function startServer(options: ConstructorParameters<typeof WebSocketServer>[0] = {}): Promise<{
  url: URL;
  peer: () => Promise<WebSocket>;
}> {
  const server = new WebSocketServer(options.server ? options : { host: "127.0.0.1", port: 0, ...options });
  const peers: WebSocket[] = [];
  server.on("connection", (peer) => {
    peer.on("error", () => undefined);
    peers.push(peer);
  });
  if (!options.server) await once(server, "listening");
  cleanups.push(() => {
    for (const peer of peers) peer.terminate();
    server.close();
  });
  return {
    url: new URL(`ws://127.0.0.1:${String(portOf(server))}/ws`),
    async peer() {
      await until(() => peers.length > 0);
      return peers[0] as WebSocket;
    },
  };
}

async function connect(url: URL, tls: TlsOptions = { domain: "example.test" }): Promise<WebSocketSocket> {
  const socket = await connectWebSocket(url, { tls, maxMessageBytes: 100_000 }, life);
  cleanups.push(() => {
    socket.destroy();
  });
  return socket;
}

function watch(socket: WebSocketSocket): {
  data: string[];
  errors: XmppError[];
  closed: boolean;
  drained: boolean;
} {
  const seen = { data: [] as string[], errors: [] as XmppError[], closed: false, drained: false };
  socket.on("data", (text: string) => seen.data.push(text));
  socket.on("error", (error: XmppError) => seen.errors.push(error));
  socket.on("close", () => (seen.closed = true));
  socket.on("drain", () => (seen.drained = true));
  return seen;
}

describe("a stream's WebSocket", () => {
  it("asks for the subprotocol, sends an element a message, and counts payloads and the socket's bytes", async () => {
    const { url, peer } = await startServer();
    const socket = await connect(url);
    const seen = watch(socket);
    const server = await peer();
    expect(server.protocol).toBe("xmpp");
    const got: string[] = [];
    server.on("message", (data: Buffer) => got.push(data.toString()));
    const plain = "<message><body>ü</body></message>";
    socket.write(`${plain}<r xmlns='urn:xmpp:sm:3'/><stream:error><a xmlns='b'/></stream:error>`);
    await until(() => got.length === 3);
    expect(got).toEqual([
      "<message xmlns='jabber:client'><body>ü</body></message>",
      "<r xmlns='urn:xmpp:sm:3'/>",
      "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><a xmlns='b'/></stream:error>",
    ]);
    server.send("<a>€</a>");
    await until(() => seen.data.length === 1);
    expect(socket.sent.xmpp).toBe(Buffer.byteLength(got.join("")));
    expect(socket.received.xmpp).toBe(10);
    expect(socket.sent.socket).toBeGreaterThan(socket.sent.xmpp + 100);
    expect(socket.received.socket).toBeGreaterThan(100);
    expect(socket.secure).toBe(true);
    server.close();
    await until(() => seen.closed);
    expect(seen.errors).toEqual([]);
  });

  it.each([
    ["a binary message", (peer: WebSocket) => peer.send(Buffer.from("<a/>"))],
    ["a message beyond the bound", (peer: WebSocket) => peer.send("x".repeat(100_001))],
    ["invalid UTF-8", (peer: WebSocket) => peer.send(Buffer.from([0xff]), { binary: false })],
  ])("ends for %s", async (_, misbehave) => {
    const { url, peer } = await startServer();
    const seen = watch(await connect(url));
    misbehave(await peer());
    await until(() => seen.closed);
    expect(seen.errors).toMatchObject([{ code: "protocol" }]);
    expect(seen.data).toEqual([]);
  });

  it("tells how much waits, and when there is room again", async () => {
    const { url, peer } = await startServer();
    const socket = await connect(url);
    const seen = watch(socket);
    const server = await peer();
    server.pause();
    const big = `<message>${"x".repeat(500_000)}</message>`;
    for (let i = 0; i < 20; i++) socket.write(big);
    await until(() => socket.waitingBytes > 1_000_000);
    server.resume();
    await until(() => seen.drained && socket.waitingBytes === 0);
  });

  it("refuses servers without the subprotocol, and those that are none", async () => {
    const { url } = await startServer({ handleProtocols: () => false });
    await expect(connect(url)).rejects.toMatchObject({ code: "unreachable" });
    let gone = false;
    const silent = net.createServer((peer) => peer.resume().on("close", () => (gone = true)));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    cleanups.push(() => silent.close());
    const cancel = new AbortController();
    const reason = new Error("enough");
    const connecting = connectWebSocket(
      new URL(`ws://127.0.0.1:${String(portOf(silent))}/`),
      { tls: { domain: "a" }, maxMessageBytes: 1_000 },
      cancel.signal,
    );
    await once(silent, "connection");
    cancel.abort(reason);
    await expect(connecting).rejects.toBe(reason);
    await until(() => gone);
  });

  it("verifies the certificate for the address or the domain, and resumes TLS sessions", async () => {
    const certificate = createCertificate("example.test");
    const server = https.createServer(certificate).listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => server.close());
    const resumed: boolean[] = [];
    server.on("secureConnection", (peer) => resumed.push(peer.isSessionReused()));
    const { peer } = await startServer({ server });
    const url = new URL(`wss://127.0.0.1:${String(portOf(server))}/`);
    const tls = {
      domain: "example.test",
      secureContext: createSecureContext(certificate.ca),
      sessions: new Map(),
    };
    const socket = await connect(url, tls);
    await peer();
    await until(() => tls.sessions.size === 1);
    socket.destroy();
    await connect(url, tls);
    expect(resumed).toEqual([false, true]);
    await expect(connect(url, { ...tls, domain: "other.test", sessions: new Map() })).rejects.toMatchObject({
      code: "tls",
    });
    await expect(connect(url, { domain: "example.test" })).rejects.toMatchObject({ code: "tls" });
  });
});

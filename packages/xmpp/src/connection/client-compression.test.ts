import zlib from "node:zlib";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { createClientConnection } from "./client-connection.js";
import type { ClientConnectionOptions, Connection } from "./connection.js";
import {
  acceptBind,
  acceptCompression,
  acceptLogin,
  createCertificate,
  sessionFeatures,
  startFakeServer,
  type Certificate,
  type ClientScript,
  type FakeCompression,
  type FakePeer,
  type FakeServer,
} from "../testing/fake-server.js";
import { memoryHeld } from "../testing/memory.js";
import { afterTimers, until } from "../testing/until.js";

let certificate: Certificate;
let server: FakeServer | undefined;
let connection: Connection | undefined;
/** The compression of each stream, in the order of the streams. */
let compressions: FakeCompression[] = [];
beforeAll(() => {
  certificate = createCertificate("example.test");
});
afterEach(async () => {
  await connection?.stop();
  await server?.close();
  connection = server = undefined;
  compressions = [];
});

const OFFER =
  "<compression xmlns='http://jabber.org/features/compress'><method>lzw</method><method>zlib</method></compression>";

async function connectTo(
  onPeer: (peer: FakePeer, script: ClientScript, index: number) => unknown,
  options: Partial<ClientConnectionOptions> = {},
): Promise<Connection> {
  let index = 0;
  server = await startFakeServer((peer) => onPeer(peer, { certificate, features: OFFER }, index++));
  connection = createClientConnection({
    jid: "bob@example.test",
    password: "secret",
    url: `xmpp://127.0.0.1:${String(server.port)}`,
    resource: "r",
    ca: certificate.ca,
    compress: true,
    timeouts: { onlineMs: 3_000, closeMs: 50 },
    reconnect: { minMs: 1, maxMs: 20 },
    ...options,
  });
  return connection;
}

async function compressed(peer: FakePeer, script: ClientScript): Promise<void> {
  await acceptLogin(peer, script);
  compressions.push(await acceptCompression(peer, sessionFeatures({ ...script, features: "" })));
}

async function accept(peer: FakePeer, script: ClientScript): Promise<void> {
  await compressed(peer, script);
  await acceptBind(peer, script);
}

const peerAt = (index: number): FakePeer => server?.peers[index] as FakePeer;

describe("a compressed client connection (XEP-0138)", () => {
  it("compresses between login and binding, on a new stream", async () => {
    const c = await connectTo(accept);
    expect(c.compressed).toBe(false);
    await c.start();
    expect(c.compressed).toBe(true);
    const { text } = peerAt(0);
    expect(text.indexOf("<auth")).toBeLessThan(text.indexOf("<compress"));
    expect(text).toMatch(/<\/compress><\?xml[^>]*><stream:stream[^>]*><iq type='set' id='bind'>/);
  });

  it("does not compress when it is not asked for", async () => {
    const c = await connectTo(
      async (peer, script) => {
        await acceptLogin(peer, script);
        await acceptBind(peer, script);
      },
      { compress: false },
    );
    await c.start();
    expect(c.compressed).toBe(false);
    expect(peerAt(0).text).not.toContain("<compress");
  });

  it.each([
    ["does not offer it", ""],
    ["offers other methods only", OFFER.replace("zlib", "zstd")],
  ])("says so when the server %s", async (_, features) => {
    const c = await connectTo((peer, script) => acceptLogin(peer, { ...script, features }));
    await expect(c.start()).rejects.toMatchObject({ code: "unsupported" });
    expect(peerAt(0).text).not.toMatch(/<compress|<bind/);
  });

  it("passes over addresses that have none, and says so when no other is left", async () => {
    const others = ["ws://127.0.0.1:9/", "http://127.0.0.1:9/"];
    const c = await connectTo(accept);
    const withTcp = createClientConnection({
      jid: "bob@example.test",
      password: "secret",
      urls: [...others, `xmpp://127.0.0.1:${String(server?.port)}`],
      resource: "r",
      ca: certificate.ca,
      compress: true,
    });
    await withTcp.start();
    expect(withTcp.compressed).toBe(true);
    await withTcp.stop();
    const without = createClientConnection({
      jid: "bob@example.test",
      password: "secret",
      urls: others,
      compress: true,
    });
    await expect(without.start()).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("stream compression needs TCP") as string,
    });
    await c.stop();
  });

  it("says so when the server refuses it", async () => {
    const c = await connectTo(async (peer, script) => {
      await acceptLogin(peer, script);
      await peer.take(/<\/compress>/);
      peer.write("<failure xmlns='http://jabber.org/protocol/compress'><setup-failed/></failure>");
    });
    await expect(c.start()).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("setup-failed") as string,
    });
  });

  it("does not read as XMPP what came uncompressed behind the answer", async () => {
    const c = await connectTo(async (peer, script) => {
      const { write } = peer;
      peer.write = (text) => {
        write(
          String(text).replace(
            /(<compressed[^>]*>)/,
            "$1<message>slipped in</message><stream:error><conflict/></stream:error>",
          ),
        );
      };
      await accept(peer, script);
    });
    await c.start();
    expect(c.state).toBe("online");
  });

  it("flushes once a tick, and counts compressed bytes", async () => {
    const c = await connectTo(accept);
    await c.start();
    const [compression] = compressions as [FakeCompression];
    await until(() => peerAt(0).text.includes("<enable"));
    const before = compression.pieces.length;
    const sent = c.meter.sent.xmpp;
    const raw: Buffer[] = [];
    peerAt(0).socket.on("data", (data: Buffer) => raw.push(data));
    for (let i = 0; i < 10; i++) c.send(`<message to='a'>${String(i)}</message>`);
    await Promise.resolve();
    c.send("<message to='a'>last</message>");
    await until(() => peerAt(0).text.includes("last"));
    const pieces = compression.pieces.slice(before);
    expect(pieces).toHaveLength(1);
    expect(c.meter.sent.xmpp - sent).toBe(pieces[0]);
    expect(pieces[0]).toBeLessThan(80);
    // Z_PARTIAL_FLUSH: a sync flush would end with an empty stored block, four bytes of every packet.
    expect(Buffer.concat(raw).subarray(-4).toString("hex")).not.toBe("0000ffff");
    const received = c.meter.received.xmpp;
    const seen: string[] = [];
    c.onStanza((stanza) => seen.push(stanza.text()) > 0);
    for (let i = 0; i < 50; i++) peerAt(0).write(`<message>${"long text, ".repeat(20)}</message>`);
    await until(() => seen.length === 50);
    expect(c.meter.received.xmpp - received).toBeLessThan(50 * 30);
    expect(c.meter.received.socket).toBeGreaterThan(c.meter.received.xmpp);
  });

  it("sends a backlog in pieces where no acknowledgement tells what the server has read", async () => {
    const c = await connectTo(accept, { streamManagement: { enabled: false } });
    await c.start();
    const [compression] = compressions as [FakeCompression];
    const before = compression.pieces.length;
    const texts = Array.from({ length: 300 }, (_, i) => `<message>${String(i)}${"😀".repeat(600)}</message>`);
    c.send(texts.join(""), texts.length);
    c.send("<message>behind</message>");
    await until(() => peerAt(0).text.includes("behind"));
    // Not `toContain`, which would print the whole text on a failure.
    expect(peerAt(0).text.includes(texts.join(""))).toBe(true);
    expect(compression.pieces.length - before).toBeGreaterThanOrEqual(5);
  });

  it("keeps `writable` and `drain` true to what waits before compression", async () => {
    const c = await connectTo(accept, { limits: { maxWaitingBytes: 1_000 } });
    await c.start();
    let drained = 0;
    c.on("drain", () => drained++);
    expect(c.send(`<message>${"x".repeat(2_000)}</message>`)).toBe(false);
    expect(c.writable).toBe(false);
    await until(() => drained === 1);
    expect(c.writable).toBe(true);
  });

  it("sends its last words and closes as any stream", async () => {
    const c = await connectTo(accept);
    await c.start();
    c.send("<message>bye</message>");
    await c.stop();
    await until(() => peerAt(0).text.endsWith("</stream:stream>"));
    expect(peerAt(0).text).toContain("bye");
  });

  it("resumes its session on a newly compressed stream", async () => {
    const c = await connectTo(async (peer, script, index) => {
      await compressed(peer, script);
      if (index === 0) return acceptBind(peer, script);
      await peer.take(/<resume[^>]*previd='sm1'\/>/);
      peer.write("<resumed xmlns='urn:xmpp:sm:3' h='0' previd='sm1'/>");
    });
    await c.start();
    await until(() => peerAt(0).text.includes("<enable"));
    // After `<enabled/>`, so that the session can be resumed.
    await afterTimers(0);
    const enabled = new Promise<void>((resolve) => c.onStanza(() => (resolve(), true)));
    peerAt(0).write("<message/>");
    await enabled;
    c.send("<message>a</message>");
    const resumed = new Promise((resolve) => c.on("online", resolve));
    peerAt(0).socket.destroy();
    expect(await resumed).toEqual({ jid: "bob@example.test/r", resumed: true });
    expect(c.compressed).toBe(true);
    expect(peerAt(1).text).toMatch(/<\/compress>.*<stream:stream[^>]*><resume/);
    await until(() => peerAt(1).text.includes("<message>a</message>"));
  });

  const bomb = zlib.deflateSync(Buffer.alloc(40 * 1024 * 1024, " "), {
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
  });

  it.each([
    ["garbage", Buffer.from("<message>not compressed</message>")],
    // Raw bytes continue the peer's zlib stream, so a bomb needs no header.
    ["a bomb", bomb.subarray(2)],
  ])("ends the stream at %s, for a new one", async (_, bytes) => {
    const c = await connectTo(accept);
    await c.start();
    await until(() => peerAt(0).text.includes("<enable"));
    const offline = new Promise((resolve) => c.on("offline", resolve));
    const memory = memoryHeld();
    (compressions[0] as FakeCompression).writeRaw(bytes);
    expect(await offline).toMatchObject({ reason: { code: "protocol" } });
    expect(memoryHeld() - memory).toBeLessThan(16 * 1024 * 1024);
    await until(() => c.state === "online");
    // The data that broke the stream must not be sent again in the old session.
    expect(peerAt(1).text).not.toContain("<resume");
  });

  it("bounds a stanza after inflating it", async () => {
    const c = await connectTo(accept, { limits: { maxStanzaChars: 10_000 } });
    await c.start();
    const offline = new Promise((resolve) => c.on("offline", resolve));
    peerAt(0).write(`<message>${"x".repeat(20_000)}</message>`);
    expect(await offline).toMatchObject({ reason: { code: "protocol" } });
    await until(() => peerAt(0).text.endsWith("</stream:stream>"));
    expect(peerAt(0).text).toContain("<policy-violation");
  });
});

import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { monotonicNow } from "../base/clock.js";
import { createHttpPoster, type HttpPoster } from "./http-poster.node.js";
import { createSecureContext } from "../transports/stream-socket.node.js";
import { createCertificate } from "../testing/fake-server.js";
import { afterTimers, until } from "../testing/until.js";

const MAX_ANSWER_BYTES = 100_000;
const certificate = createCertificate("example.test");

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Served {
  readonly port: number;
  readonly sockets: Set<net.Socket>;
  /** Bytes that the server's sockets read and wrote. */
  readonly bytes: { received: number; sent: number };
}

/** Starts any server of Node on loopback. */
async function serve(server: net.Server, secure: boolean): Promise<Served> {
  const sockets = new Set<net.Socket>();
  const bytes = { received: 0, sent: 0 };
  server.on(secure ? "secureConnection" : "connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      bytes.received += socket.bytesRead;
      bytes.sent += socket.bytesWritten;
      sockets.delete(socket);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return { port: (server.address() as net.AddressInfo).port, sockets, bytes };
}

function posterTo(port: number, secure: boolean): HttpPoster {
  const poster = createHttpPoster(new URL(`${secure ? "https" : "http"}://127.0.0.1:${String(port)}/b`), {
    tls: { domain: "example.test", secureContext: createSecureContext(certificate.ca) },
    maxAnswerBytes: MAX_ANSWER_BYTES,
  });
  ends.push(() => {
    poster.close();
  });
  return poster;
}

type Handler = (stream: http2.ServerHttp2Stream, head: http2.IncomingHttpHeaders, body: string) => unknown;

interface Http2 extends Served {
  readonly poster: HttpPoster;
  readonly sessions: http2.ServerHttp2Session[];
}

async function serveHttp2(handler: Handler): Promise<Http2> {
  const server = http2.createSecureServer({ ...certificate, allowHTTP1: false });
  const sessions: http2.ServerHttp2Session[] = [];
  server.on("session", (session) => {
    sessions.push(session);
    session.on("error", () => undefined);
  });
  server.on("stream", (stream, head) => {
    let body = "";
    stream.on("error", () => undefined);
    stream.setEncoding("utf8").on("data", (text: string) => (body += text));
    stream.on("end", () => handler(stream, head, body));
  });
  const served = await serve(server, true);
  return { ...served, sessions, poster: posterTo(served.port, true) };
}

/** Answers with the bytes unchanged. */
type Reply = (body: Buffer, head: Readonly<Record<string, string | number>>) => void;
type Versioned = (onRequest: (reply: Reply, head: http.IncomingHttpHeaders) => void) => Promise<HttpPoster>;

const VERSIONS: Readonly<Record<"HTTP/1.1" | "HTTP/2", Versioned>> = {
  "HTTP/1.1": async (onRequest) => {
    const server = http.createServer((request, response) => {
      request.resume().on("end", () => {
        onRequest((body, head) => response.writeHead(200, head).end(body), request.headers);
      });
    });
    return posterTo((await serve(server, false)).port, false);
  },
  "HTTP/2": async (onRequest) => {
    const { poster } = await serveHttp2((stream, head) => {
      onRequest((body, more) => {
        stream.respond({ ":status": 200, ...more });
        stream.end(body);
      }, head);
    });
    return poster;
  },
};

/** RFC 9113 §4.1, §6 */
const [DATA, HEADERS, RST, SETTINGS, PUSH_PROMISE, CONTINUATION] = [0, 1, 3, 4, 5, 9] as const;
/** RFC 7541: index 8 of the static table; a literal without indexing of a new name. */
const STATUS_200 = Buffer.from([0x88]);
const LONG_HEADER = Buffer.concat([Buffer.from([0, 1, 0x61, 100]), Buffer.alloc(100, "x")]);
const CANCEL = Buffer.from([0, 0, 0, http2.constants.NGHTTP2_CANCEL]);

function frame(type: number, flags: number, stream: number, payload: string | Buffer): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** Whether a client has sent a request. Its preface has 24 bytes, and frames follow. */
function hasRequest(said: Buffer): boolean {
  for (let at = 24; at + 9 <= said.length; at += 9 + said.readUIntBE(at, 3))
    if (said[at + 3] === HEADERS) return true;
  return false;
}

const never = new AbortController().signal;
const GZIP = { "content-encoding": "gzip" };

describe.each(Object.entries(VERSIONS))("answers in %s", (_name, start) => {
  it("are inflated", async () => {
    const text = "<body>ü€😀</body>".repeat(500);
    const poster = await start((reply, head) => {
      expect(head["accept-encoding"]).toBe("gzip");
      reply(gzipSync(text), GZIP);
    });
    const before = poster.received.xmpp;
    expect(await poster.post("<body/>", never)).toEqual({ status: 200, text });
    expect(poster.received.xmpp - before).toBeLessThan(1_000);
  });

  const bomb = gzipSync(Buffer.alloc(200_000_000));
  const small = gzipSync("<body/>");
  it.each([
    ["a bomb", bomb, GZIP, "longer than 100000 bytes"],
    ["a bomb in its second member", Buffer.concat([small, bomb]), GZIP, "longer than 100000 bytes"],
    ["half a gzip", gzipSync("<body/>".repeat(1_000)).subarray(0, 40), GZIP, "not gzip, or not all of it"],
    ["nothing", Buffer.alloc(0), GZIP, "not gzip, or not all of it"],
    ["no gzip", Buffer.from("<body/>"), GZIP, "not gzip, or not all of it"],
    ["more behind it", Buffer.concat([small, Buffer.from("x")]), GZIP, "not gzip, or not all of it"],
    ["zeros behind it", Buffer.concat([small, Buffer.alloc(9)]), GZIP, "continues after"],
    ["another encoding", small, { "content-encoding": "br" }, "unexpected encoding: br"],
    ["no UTF-8", gzipSync(Buffer.from([0xc3, 0x28])), GZIP, "not UTF-8"],
    ["too much", Buffer.alloc(100_001), {}, "longer than 100000 bytes"],
    ["too much, announced", Buffer.alloc(100_001), { "content-length": 100_001 }, "longer than 100000 bytes"],
  ])("are refused when they hold %s", async (_what, body, head, text) => {
    const poster = await start((reply) => {
      reply(body, head);
    });
    const before = process.memoryUsage().rss;
    await expect(poster.post("<body/>", never)).rejects.toMatchObject({
      code: "protocol",
      message: expect.stringContaining(text) as string,
    });
    // The bomb is 200 MB.
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
  });

  it("with too many headers are refused", async () => {
    const poster = await start((reply) => {
      reply(Buffer.from("<body/>"), { "x-long": "x".repeat(40_000) });
    });
    await expect(poster.post("<body/>", never)).rejects.toMatchObject({ code: "protocol" });
  });
});

describe("HTTP/2", () => {
  it("takes requests made at once over one connection, with small heads", async () => {
    const heads: http2.IncomingHttpHeaders[] = [];
    const held: (() => void)[] = [];
    const { poster, sockets, bytes } = await serveHttp2((stream, head, body) => {
      heads.push(head);
      held.push(() => {
        stream.respond({ ":status": 200 });
        stream.end(`<got>${body}</got>`);
      });
    });
    const posts = ["a", "b", "c"].map((body) => poster.post(body, never));
    expect(poster.lastLeftAt).toBe(Infinity);
    await until(() => held.length === 3);
    await until(() => poster.lastLeftAt < monotonicNow());
    for (const answer of held.splice(0).reverse()) answer();
    expect((await Promise.all(posts)).map(({ text }) => text)).toEqual(
      ["a", "b", "c"].map((body) => `<got>${body}</got>`),
    );
    expect(sockets.size).toBe(1);
    expect(heads[0]).toMatchObject({ ":method": "POST", ":path": "/b", "content-length": "1" });
    const sent = poster.sent.xmpp;
    const again = poster.post("d".repeat(100), never);
    await until(() => held.length === 1);
    held[0]?.();
    await again;
    // 18 of these bytes are the headers of two frames.
    expect(poster.sent.xmpp - sent - 100).toBeLessThan(40);
    const { received } = poster;
    expect(received.socket).toBeGreaterThan(received.xmpp);
    poster.close();
    await until(() => sockets.size === 0);
    // Both ends count the same, also after the end. The client no longer reads the server's GOAWAY, of 17 bytes.
    expect(poster.sent.xmpp).toBe(bytes.received);
    expect(bytes.sent - poster.received.xmpp).toBeLessThanOrEqual(17);
  });

  it("is left for HTTP/1.1 where the server chooses that", async () => {
    const server = tls.createServer({ ...certificate, ALPNProtocols: ["http/1.1"] }, (socket) => {
      socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n<body/>"));
    });
    const { port, sockets } = await serve(server, true);
    const poster = posterTo(port, true);
    const answers = await Promise.all([poster.post("x", never), poster.post("y", never)]);
    expect(answers).toEqual([
      { status: 200, text: "<body/>" },
      { status: 200, text: "<body/>" },
    ]);
    expect(sockets.size).toBe(2);
  });

  it("opens another connection after GOAWAY, and still takes the answers of the old one", async () => {
    const streams: http2.ServerHttp2Stream[] = [];
    const { poster, sessions } = await serveHttp2((stream) => streams.push(stream));
    const answer = (index: number, text: string): void => {
      streams[index]?.respond({ ":status": 200 });
      streams[index]?.end(text);
    };
    const first = poster.post("1", never);
    await until(() => streams.length === 1);
    sessions[0]?.goaway();
    // The client has read the GOAWAY when it answers the ping after it.
    await new Promise((resolve) => sessions[0]?.ping(resolve));
    const second = poster.post("2", never);
    await until(() => streams.length === 2);
    expect(sessions).toHaveLength(2);
    answer(1, "two");
    answer(0, "one");
    expect((await second).text).toBe("two");
    expect((await first).text).toBe("one");
  });

  it.each([
    [
      "resets the stream",
      (stream: http2.ServerHttp2Stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM),
    ],
    [
      "resets it without an error",
      (stream: http2.ServerHttp2Stream) => stream.close(http2.constants.NGHTTP2_CANCEL),
    ],
    ["goes away with an error", (stream: http2.ServerHttp2Stream) => stream.session?.goaway(2, 0)],
    ["hangs up", (stream: http2.ServerHttp2Stream) => stream.session?.destroy()],
    [
      "ends before the length it announced",
      (stream: http2.ServerHttp2Stream) => {
        stream.respond({ ":status": 200, "content-length": 100 });
        stream.end("<body>");
      },
    ],
  ])(
    "calls it a fault of the network when the server %s, and the next request works",
    async (_what, fault) => {
      let faulty = true;
      const { poster } = await serveHttp2((stream) => {
        if (faulty) return fault(stream);
        stream.respond({ ":status": 200 });
        stream.end("fine");
      });
      await expect(poster.post("x", never)).rejects.toMatchObject({ code: "disconnected" });
      faulty = false;
      expect((await poster.post("x", never)).text).toBe("fine");
    },
  );

  it.each([
    [
      "resets half an answer",
      [frame(HEADERS, 4, 1, STATUS_200), frame(DATA, 0, 1, "<body>"), frame(RST, 0, 1, CANCEL)],
      "disconnected",
    ],
    ["resets the stream at once", [frame(RST, 0, 1, CANCEL)], "disconnected"],
    ["answers on a stream that nobody opened", [frame(HEADERS, 5, 3, STATUS_200)], "protocol"],
    [
      "sends headers without an end",
      [
        frame(HEADERS, 0, 1, STATUS_200),
        ...Array.from({ length: 1_000 }, () => frame(CONTINUATION, 0, 1, LONG_HEADER)),
      ],
      "protocol",
    ],
  ] as const)("ends the request when the server %s", async (_what, frames, code) => {
    const server = tls.createServer({ ...certificate, ALPNProtocols: ["h2"] }, (socket) => {
      socket.write(frame(SETTINGS, 0, 0, ""));
      let read = Buffer.alloc(0);
      socket.on("data", (bytes: Buffer) => {
        const before = hasRequest(read);
        read = Buffer.concat([read, bytes]);
        if (!before && hasRequest(read)) socket.write(Buffer.concat(frames));
      });
    });
    const poster = posterTo((await serve(server, true)).port, true);
    await expect(poster.post("x", never)).rejects.toMatchObject({ code });
  });

  it("is refused where it is garbage", async () => {
    const server = tls.createServer({ ...certificate, ALPNProtocols: ["h2"] }, (socket) => {
      socket.write("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(100));
    });
    const poster = posterTo((await serve(server, true)).port, true);
    await expect(poster.post("x", never)).rejects.toMatchObject({ code: "protocol" });
  });

  // Node 20 ignores some faults of a server, without any event.
  it.each([
    ["says nothing", []],
    ["sends frames longer than allowed", [frame(DATA, 0, 1, "x".repeat(20_000))]],
    ["compresses headers wrongly", [frame(HEADERS, 4, 1, Buffer.from([0xff, 0xff, 0xff, 0xff]))]],
    ["pushes", [frame(PUSH_PROMISE, 4, 1, Buffer.from([0, 0, 0, 2, 0x82]))]],
  ])("leaves a connection whose server %s, once a request is given up", async (_what, frames) => {
    let connections = 0;
    const server = tls.createServer({ ...certificate, ALPNProtocols: ["h2"] }, (socket) => {
      connections++;
      if (frames.length > 0) socket.write(Buffer.concat([frame(SETTINGS, 0, 0, ""), ...frames]));
      socket.resume();
    });
    const { port, sockets } = await serve(server, true);
    const poster = posterTo(port, true);
    const giveUp = new AbortController();
    const first = poster.post("x", giveUp.signal);
    first.catch(() => undefined);
    await until(() => connections === 1);
    const other = poster.post("y", never);
    other.catch(() => undefined);
    await afterTimers(0);
    giveUp.abort(new Error("given up"));
    // Node 24 reports the fault itself.
    await expect(first).rejects.toThrow(/given up|Protocol error/);
    const code = expect.stringMatching(/^(disconnected|protocol)$/) as string;
    await expect(other).rejects.toMatchObject({ code });
    await until(() => sockets.size === 0);
    void poster.post("z", AbortSignal.timeout(500)).catch(() => undefined);
    await until(() => connections === 2);
  });

  it("gives up one request alone where the connection lives", async () => {
    let streams = 0;
    const { poster, sessions } = await serveHttp2((stream) => {
      if (++streams === 1) return;
      stream.respond({ ":status": 200 });
      stream.end("fine");
    });
    const giveUp = new AbortController();
    const first = poster.post("x", giveUp.signal);
    await until(() => streams === 1);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    giveUp.abort(new Error("given up"));
    await expect(first).rejects.toThrow("given up");
    // The poster sends a ping and waits for the answer. After the answer no timer is left.
    expect(vi.getTimerCount()).toBe(1);
    await until(() => vi.getTimerCount() === 0);
    vi.useRealTimers();
    expect((await poster.post("y", never)).text).toBe("fine");
    expect(sessions).toHaveLength(1);
  });

  it("sends no ping for a request that is aborted after its answer", async () => {
    const { poster, sessions } = await serveHttp2((stream) => {
      stream.respond({ ":status": 200 });
      stream.end("fine");
    });
    let pings = 0;
    for (let i = 0; i < 3; i++) {
      const answered = new AbortController();
      // As a BOSH session does: it aborts all copies of a request with the answer.
      const answer = await poster.post("x", answered.signal).finally(() => answered.abort());
      expect(answer.text).toBe("fine");
      if (i === 0) sessions[0]?.on("ping", () => pings++);
    }
    // HTTP/2 frames arrive in order, so a ping would have arrived before the last request.
    await poster.post("y", never);
    expect(pings).toBe(0);
    expect(sessions).toHaveLength(1);
  });

  it("makes another connection when one that is being made was given up", async () => {
    let connections = 0;
    // TCP connects, and TLS never answers.
    const server = net.createServer(() => connections++);
    const poster = posterTo((await serve(server, false)).port, true);
    const first = poster.post("x", AbortSignal.timeout(100));
    await until(() => connections === 1);
    const second = poster.post("y", never).catch((error: unknown) => error);
    await expect(first).rejects.toMatchObject({ name: "TimeoutError" });
    expect(await second).toMatchObject({ code: "disconnected" });
    void poster.post("z", never).catch(() => undefined);
    await until(() => connections === 2);
    poster.close();
  });

  it("is closed with all that is under way", async () => {
    const { poster, sockets } = await serveHttp2(() => undefined);
    const post = poster.post("x", never);
    post.catch(() => undefined);
    await until(() => sockets.size === 1);
    poster.close();
    await expect(post).rejects.toMatchObject({ name: "XmppError" });
    await until(() => sockets.size === 0);
  });
});

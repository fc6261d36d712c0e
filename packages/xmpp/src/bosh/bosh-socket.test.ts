import type { TLSSocket } from "node:tls";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { BoshTiming } from "./bosh-courier.js";
import { BoshSocket } from "./bosh-socket.js";
import type { XmppError } from "../base/errors.js";
import { createCertificate } from "../testing/fake-server.js";
import { SESSION, startFakeBosh, type FakeBosh, type FakeBoshRequest } from "../testing/fake-bosh.js";
import { afterTimers, until } from "../testing/until.js";
import { watchDelays } from "../testing/watch-delays.js";
import { createSecureContext } from "../transports/stream-socket.node.js";

let server: FakeBosh | undefined;
let socket: BoshSocket | undefined;
afterEach(async () => {
  socket?.destroy();
  await server?.close();
  server = socket = undefined;
});

const OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.test' version='1.0'/>";
const CLOSE = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";
const OPENED = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'/>";
/** Least time between two requests under way, in ms. */
const SPACING_MS = 20;
const message = (text: string | number): string =>
  `<message xmlns='jabber:client'><body>${text}</body></message>`;

interface Opened {
  readonly socket: BoshSocket;
  readonly server: FakeBosh;
  readonly data: string[];
  readonly errors: XmppError[];
  readonly state: { closed: boolean; drains: number };
}

async function open(
  onRequest?: (request: FakeBoshRequest, index: number) => unknown,
  timing: Partial<BoshTiming> = {},
  from?: string,
): Promise<Opened> {
  const fake = (server = await startFakeBosh(onRequest));
  const opened = (socket = new BoshSocket(fake.url, {
    tls: { domain: "example.test" },
    maxAnswerBytes: 100_000,
    from,
    timing: { answerMs: 300, overtakenMs: 50, retryMinMs: 1, retryMaxMs: 20, ...timing },
  }));
  const [data, errors, state] = [[] as string[], [] as XmppError[], { closed: false, drains: 0 }];
  opened.on("data", (text: string) => data.push(text));
  opened.on("error", (error: XmppError) => errors.push(error));
  opened.on("close", () => (state.closed = true));
  opened.on("drain", () => state.drains++);
  opened.write(OPEN);
  return { socket: opened, server: fake, data, errors, state };
}

/** Opens a session and restarts its stream. The test answers every further request. */
async function openSession(
  timing: Partial<BoshTiming> = {},
  terms = SESSION,
): Promise<Opened & { next: () => Promise<FakeBoshRequest> }> {
  const all = await open(undefined, timing);
  (await all.server.request(0)).answer("<a/>", terms);
  await until(() => all.data.length === 2);
  all.socket.write(OPEN);
  (await all.server.request(1)).answer("<b/>");
  await until(() => all.data.length === 4);
  all.data.length = 0;
  let index = 2;
  return { ...all, next: () => all.server.request(index++) };
}

describe("a BOSH session", () => {
  it("is created, restarted and ended as XEP-0124 and XEP-0206 say", async () => {
    const { socket, server, data, state } = await open();
    const first = await server.request(0);
    expect(first.attrs).toMatchObject({
      to: "example.test",
      ver: "1.6",
      wait: "30",
      hold: "1",
      "xmpp:version": "1.0",
    });
    expect(first.attrs["sid"]).toBeUndefined();
    expect(first.rid).toBeGreaterThanOrEqual(0);
    expect(first.rid).toBeLessThan(2 ** 53 - 2 ** 40);
    expect(first.head["content-type"]).toBe("text/xml; charset=utf-8");
    first.answer("<stream:features/>", SESSION);
    await until(() => data.length === 2);
    expect(data).toEqual([OPENED, "<stream:features/>"]);

    // No empty request is sent between this and the restart, since the server could take it for the restart.
    socket.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>x</auth>");
    const auth = await server.request(1);
    expect(auth.content).toBe("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>x</auth>");
    auth.answer("<success/>");
    await until(() => data.includes("<success/>"));
    socket.write(OPEN);
    const restart = await server.request(2);
    expect(restart.attrs).toMatchObject({ sid: "s", "xmpp:restart": "true", to: "example.test" });
    restart.answer("<stream:features>2</stream:features>");
    await until(() => data.length === 5);
    expect(data.slice(3)).toEqual([OPENED, "<stream:features>2</stream:features>"]);

    // From now on the server always has one request to hold.
    const poll = await server.request(3);
    expect(poll.content).toBe("");
    expect(Object.keys(poll.attrs).sort()).toEqual(["rid", "sid", "xmlns"]);
    socket.write("<presence/>");
    socket.write(CLOSE);
    const last = await server.request(4);
    expect(last.attrs["type"]).toBe("terminate");
    expect(last.content).toBe("<presence xmlns='jabber:client'/>");
    expect(server.requests.map(({ rid }) => rid - first.rid)).toEqual([0, 1, 2, 3, 4]);
    poll.answer();
    last.answer("", "type='terminate'");
    await until(() => state.closed);
    expect(data.at(-1)).toBe(CLOSE);
    await until(() => server.sockets.size === 0);
  });

  it("gives the server a request to hold at once when SASL2 logs in, which has no restart", async () => {
    const { socket, server, data } = await open(undefined, {}, "bob@example.test");
    const first = await server.request(0);
    expect(first.attrs["from"]).toBe("bob@example.test");
    first.answer("<stream:features/>", SESSION);
    await until(() => data.length === 2);
    socket.write("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>");
    const delays = watchDelays();
    (await server.request(1)).answer("<success/>");
    expect((await server.request(2)).content).toBe("");
    // 250 ms is the time that an empty request waits for a restart.
    expect(delays()).not.toContain(250);
  });

  it("does not tell on an unencrypted way who will log in (RFC 6120 §4.7.1)", async () => {
    const fake = (server = await startFakeBosh());
    // 0.0.0.0 leads to this machine too, but does not count as loopback.
    const url = new URL(fake.url.href.replace("127.0.0.1", "0.0.0.0"));
    socket = new BoshSocket(url, {
      tls: { domain: "example.test" },
      maxAnswerBytes: 100_000,
      from: "bob@example.test",
    });
    expect(socket.secure).toBe(false);
    socket.write(OPEN);
    expect((await fake.request(0)).attrs["from"]).toBeUndefined();
  });

  it("sends few headers", async () => {
    const { server, next } = await openSession();
    const namesOf = ({ rawHead }: FakeBoshRequest): string[] => rawHead.filter((_, i) => i % 2 === 0);
    expect(namesOf(await server.request(0))).toEqual([
      "Host",
      "Content-Type",
      "Accept-Encoding",
      "Content-Length",
    ]);
    // This server never compresses, so the client stops asking.
    for (let i = 0; i < 4; i++) (await next()).answer();
    expect(namesOf(await next())).toEqual(["Host", "Content-Type", "Content-Length"]);
  });

  it("joins what is written together, and qualifies it", async () => {
    const { socket, next } = await openSession();
    await next();
    socket.write("<message/><iq id='1'/>");
    socket.write("<presence xmlns='jabber:client'/>");
    const { content } = await next();
    expect(content).toBe(
      "<message xmlns='jabber:client'/><iq xmlns='jabber:client' id='1'/><presence xmlns='jabber:client'/>",
    );
  });

  it("keeps to the window and to the size of bodies, and tells when there is room", async () => {
    const { socket, server, next, state } = await openSession({
      answerMs: 60_000,
      answerMinMs: 60_000,
      overtakenMs: 60_000,
    });
    const poll = await next();
    for (let i = 0; i < 10; i++) socket.write(message("x".repeat(20_000)));
    const one = await next();
    await afterTimers(SPACING_MS);
    expect(server.requests).toHaveLength(4);
    expect(one.body.length).toBeLessThan(66_000);
    expect(socket.waitingBytes).toBeGreaterThan(100_000);
    poll.answer();
    const two = await next();
    // The older of two unanswered requests keeps the window closed, even when the newer is answered.
    two.answer();
    await afterTimers(SPACING_MS);
    expect(server.requests).toHaveLength(5);
    one.answer();
    (await next()).answer();
    (await next()).answer();
    await until(() => socket.waitingBytes === 0);
    expect(state.drains).toBeGreaterThan(0);
  });

  it("sends an overtaken request again as soon as answers tell how quick they are", async () => {
    const { socket, next } = await openSession({ answerMs: 60_000, answerMinMs: 100 });
    const poll = await next();
    socket.write(message("up"));
    await next();
    // The server holds a request that it should have answered at once.
    const again = await next();
    expect(again.body).toBe(poll.body);
  });

  it("delivers answers in the order of their requests", async () => {
    const { socket, data, next } = await openSession({ overtakenMs: 60_000 });
    const poll = await next();
    socket.write(message("up"));
    const second = await next();
    second.answer(message(2));
    await until(() => second.response.writableFinished);
    await afterTimers(SPACING_MS);
    expect(data).toEqual([]);
    poll.answer(message(1));
    await until(() => data.length === 2);
    expect(data).toEqual([message(1), message(2)]);
  });

  it("sends the same again when a connection breaks, when an answer is late, and when a later one is there", async () => {
    const { socket, data, next } = await openSession();
    const poll = await next();
    poll.response.socket?.destroy();
    const again = await next();
    expect(again.body).toBe(poll.body);
    // The server must answer the older of two requests at once, and does not.
    socket.write(message("up"));
    const data1 = await next();
    const late = await next();
    expect(late.body).toBe(poll.body);
    late.answer(message(1));
    // The first copy has an answer too. The answer counts once.
    again.response.destroy();
    await until(() => data.length === 1);
    socket.write(message("more"));
    const data2 = await next();
    data2.answer(message(3));
    const overtaken = await next();
    expect(overtaken.body).toBe(data1.body);
    overtaken.answer(message(2));
    await until(() => data.length === 3);
    expect(data).toEqual([message(1), message(2), message(3)]);
  });

  it("sends again what the server calls a recoverable error, and all unanswered before it", async () => {
    const { socket, next, data } = await openSession({ answerMs: 60_000 });
    const poll = await next();
    socket.write(message("up"));
    const second = await next();
    second.answer("", "type='error'");
    const copies = [await next(), await next()].sort((a, b) => a.rid - b.rid);
    expect(copies.map(({ body }) => body)).toEqual([poll.body, second.body]);
    copies[0]?.answer(message(1));
    copies[1]?.answer(message(2));
    await until(() => data.length === 2);
    expect(data).toEqual([message(1), message(2)]);
  });

  it("survives a proxy whose server is away for a moment, and gives up in the end", async () => {
    const { next, data } = await openSession();
    const poll = await next();
    poll.response.writeHead(503).end("<html>busy</html>");
    const again = await next();
    expect(again.body).toBe(poll.body);
    again.answer(message(1));
    await until(() => data.length === 1);
    socket?.destroy();
    await server?.close();

    const other = await openSession({ giveUpMs: 200 });
    const start = performance.now();
    let answered = 2;
    const refused = (async () => {
      while (!other.state.closed) {
        await until(() => other.state.closed || other.server.requests.length > answered);
        other.server.requests[answered++]?.response.writeHead(502).end();
      }
    })();
    await refused;
    expect(performance.now() - start).toBeGreaterThan(150);
    expect(other.errors).toMatchObject([{ code: "disconnected" }]);
    await until(() => other.server.sockets.size === 0);
  });

  it("gives up a server that falls silent as soon as it says", async () => {
    const { next, state, errors } = await openSession({ waitMs: 4_000, answerMs: 1_000, giveUpMs: 6_000 });
    const held = await next();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    held.answer();
    await next();
    // The answer is missed after `waitMs` and `answerMs`. The session ends `giveUpMs` later, before another such wait
    // ends.
    await vi.advanceTimersByTimeAsync(10_900);
    expect(state.closed).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(state.closed).toBe(true);
    expect(errors).toMatchObject([{ code: "timeout" }]);
  });

  it("never sends a session's creation twice", async () => {
    const { server, errors, state } = await open((request) => request.response.socket?.destroy());
    await until(() => state.closed);
    expect(errors).toMatchObject([{ code: "disconnected" }]);
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    ["item-not-found", "disconnected"],
    ["policy-violation", "protocol"],
    ["host-unknown", "unreachable"],
    ["system-shutdown", "disconnected"],
    ["made-up", "disconnected"],
  ])("ends with the condition %s as %s", async (condition, code) => {
    const { next, errors, data, state } = await openSession();
    (await next()).answer(message("last words"), `type='terminate' condition='${condition}'`);
    await until(() => state.closed);
    expect(data).toEqual([message("last words")]);
    expect(errors).toMatchObject([{ code }]);
    expect(errors[0]?.message).toContain(condition);
  });

  it.each([
    [404, "disconnected"],
    [403, "protocol"],
    [400, "protocol"],
    [302, "unreachable"],
    [200, "protocol"],
  ])("ends with the HTTP status %i as %s", async (status, code) => {
    const { next, errors, state } = await openSession();
    (await next()).response.writeHead(status, { Location: "http://127.0.0.1:1/" }).end("<html/>");
    await until(() => state.closed);
    expect(errors).toMatchObject([{ code }]);
  });

  it.each([
    ["<body xmlns='http://jabber.org/protocol/httpbind'><a>", "it does not end"],
    ["<body xmlns='http://jabber.org/protocol/httpbind'/><a/>", "something follows"],
    ["<body xmlns='jabber:client'/>", "another element"],
    [`<body a='${"x".repeat(9_000)}'/>`, "no start tag"],
    ["<body xmlns='http://jabber.org/protocol/httpbind' a='&bogus;'/>", "tag is broken"],
    ["", "no start tag"],
  ])("refuses an answer like %.60s", async (body, why) => {
    const { next, errors, state } = await openSession();
    (await next()).response.end(body);
    await until(() => state.closed);
    expect(errors).toMatchObject([{ code: "protocol" }]);
    expect(errors[0]?.message).toContain(why);
  });

  it("refuses huge answers, announced or not, without reading them", async () => {
    const { next, errors, state } = await openSession();
    (await next()).response.writeHead(200, { "Content-Length": 1e9 }).write("<body");
    await until(() => state.closed);
    expect(errors[0]).toMatchObject({ code: "protocol" });
    await server?.close();

    const other = await openSession();
    const { response } = await other.next();
    response.on("error", () => undefined);
    let written = 0;
    const timer = setInterval(() => {
      for (let i = 0; i < 20; i++) written += response.write("x".repeat(1_000)) ? 1_000 : 0;
    }, 1);
    await until(() => other.state.closed);
    clearInterval(timer);
    expect(other.errors[0]).toMatchObject({ code: "protocol" });
    expect(written).toBeLessThan(10_000_000);
  });

  it("refuses endless headers", async () => {
    const { next, errors, state } = await openSession();
    const { response } = await next();
    response.socket?.write(`HTTP/1.1 200 OK\r\nX: ${"y".repeat(40_000)}`);
    await until(() => state.closed);
    expect(errors[0]).toMatchObject({ code: "protocol" });
  });

  it("asks again and again where the server holds nothing, as seldom as it says", async () => {
    const terms = "sid='s' wait='0' hold='0' requests='2' inactivity='10' polling='1'";
    const { next } = await openSession({}, terms);
    const first = await next();
    const delays = watchDelays();
    first.answer();
    const second = await next();
    expect(delays()).toContain(1_000);
    // After an answer with content, the client polls again at once.
    const before = delays().length;
    second.answer(message(1));
    await next();
    expect(delays().slice(before)).not.toContain(1_000);
  });

  it("asks before `inactivity` is over, also where `polling` is longer", async () => {
    const terms = "sid='s' wait='0' hold='0' requests='2' inactivity='2' polling='60'";
    const { next } = await openSession({}, terms);
    const delays = watchDelays();
    (await next()).answer();
    await next();
    expect(delays()).toContain(1_000);
  });

  it("asks before a pause is over, at four fifths of it", async () => {
    const { socket, next } = await openSession({}, `${SESSION} maxpause='120'`);
    const poll = await next();
    const delays = watchDelays();
    const at = performance.now();
    expect(socket.pause(1_000)).toBe(true);
    const pause = await next();
    poll.answer();
    pause.answer();
    expect((await next()).content).toBe("");
    // The client polls after four fifths of the rest of the pause, when both requests are answered.
    expect(performance.now() - at).toBeGreaterThan(790);
    expect(
      delays()
        .filter((ms) => ms > 300 && ms <= 1_000)
        .every((ms) => ms <= 800),
    ).toBe(true);
  });

  it("pauses when asked to and the server allows it, until something is to be said", async () => {
    const { socket, server, next } = await openSession({}, `${SESSION} maxpause='120'`);
    const poll = await next();
    expect(socket.pause(121_000)).toBe(false);
    expect(socket.pause(120_000)).toBe(true);
    const pause = await next();
    expect(pause.attrs["pause"]).toBe("120");
    poll.answer();
    pause.answer();
    await until(() => pause.response.writableFinished);
    await afterTimers(SPACING_MS);
    expect(server.requests).toHaveLength(4);
    socket.write(message("back"));
    (await next()).answer();
    expect((await next()).content).toBe("");

    socket.destroy();
    await server.close();
    const strict = await openSession();
    expect(strict.socket.pause(1_000)).toBe(false);
  });

  it("counts HTTP's bytes exactly, headers included", async () => {
    const { socket, server, next } = await openSession();
    const poll = await next();
    socket.write(message("ü".repeat(1_000)));
    (await next()).answer();
    poll.answer(message("€"));
    await next();
    let [read, written] = [0, 0];
    for (const peer of server.sockets) {
      read += peer.bytesRead;
      written += peer.bytesWritten;
    }
    await until(() => socket.received.xmpp === written);
    expect(socket.sent).toEqual({ xmpp: read, socket: read });
    expect(socket.received).toEqual({ xmpp: written, socket: written });
    socket.destroy();
    await until(() => server.sockets.size === 0);
    expect(socket.sent).toEqual({ xmpp: read, socket: read });
  });
});

describe("BOSH over TLS", () => {
  it("counts what passes inside TLS, resumes TLS sessions, and verifies for the domain", async () => {
    const certificate = createCertificate("example.test");
    const fake = (server = await startFakeBosh(({ answer }) => answer("<a/>", SESSION), certificate));
    const tls = {
      domain: "example.test",
      secureContext: createSecureContext(certificate.ca),
      sessions: new Map(),
    };
    const opened = (socket = new BoshSocket(fake.url, { tls, maxAnswerBytes: 10_000 }));
    const data: string[] = [];
    opened.on("data", (text: string) => data.push(text));
    opened.write(OPEN);
    await until(() => data.length === 2);
    const [peer] = fake.sockets;
    expect(opened.secure).toBe(true);
    expect(opened.sent.xmpp).toBe(peer?.bytesRead);
    expect(opened.received.xmpp).toBe(peer?.bytesWritten);
    expect(opened.sent.socket).toBeGreaterThan(opened.sent.xmpp);
    await until(() => tls.sessions.size === 1);
    const again = new BoshSocket(fake.url, { tls, maxAnswerBytes: 10_000 });
    again.write(OPEN);
    await until(() => fake.sockets.size === 2);
    const reused = [...fake.sockets].map((one) => (one as TLSSocket).isSessionReused());
    expect(reused).toEqual([false, true]);
    again.destroy();

    const stranger = new BoshSocket(fake.url, {
      tls: { domain: "other.test", secureContext: tls.secureContext },
      maxAnswerBytes: 10_000,
    });
    const errors: XmppError[] = [];
    stranger.on("error", (error: XmppError) => errors.push(error));
    stranger.write(OPEN);
    await until(() => errors.length === 1);
    expect(errors).toMatchObject([{ code: "tls" }]);
  });
});

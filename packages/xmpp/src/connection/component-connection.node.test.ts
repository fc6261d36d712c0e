import { afterEach, describe, expect, it, vi } from "vitest";
import { component as stockComponent } from "@xmpp/component";
import { createComponentConnection, handshake } from "./component-connection.node.js";
import type { ComponentConnectionOptions, Connection } from "./connection.js";
import { StanzaError, type XmppError } from "../base/errors.js";
import { acceptComponent, startFakeServer, type FakePeer, type FakeServer } from "../testing/fake-server.js";
import { afterTimers, until } from "../testing/until.js";
import { xml } from "../xml/xml.js";

const RECONNECT = { minMs: 1, maxMs: 20 };

let server: FakeServer | undefined;
let connection: Connection | undefined;
afterEach(async () => {
  await connection?.stop();
  await server?.close();
  connection = server = undefined;
});

/** Makes a connection to a server that the test plays, with short deadlines. */
async function connectTo(
  onPeer: (peer: FakePeer, index: number) => unknown,
  options: Partial<ComponentConnectionOptions> = {},
): Promise<Connection> {
  let index = 0;
  server = await startFakeServer((peer) => onPeer(peer, index++));
  connection = createComponentConnection({
    domain: "c.test",
    secret: "s",
    host: "127.0.0.1",
    port: server.port,
    timeouts: { onlineMs: 2_000, closeMs: 50 },
    reconnect: RECONNECT,
    ...options,
  });
  return connection;
}

const ping = () => xml("iq", { type: "get", to: "x.test" }, xml("ping", { xmlns: "urn:xmpp:ping" }));
const lastPeer = (): FakePeer => server?.peers.at(-1) as FakePeer;

describe("a component's connection", () => {
  it("hashes the UTF-8 of the secret (XEP-0114 §3)", () => {
    // printf '%s' 's1pässwörd' | sha1sum
    expect(handshake("s1", "pässwörd")).toBe("2692efb6f2a045f7ee58099ce9e72ac7cc91f6c8");
  });

  it("hands over what comes right behind the handshake's answer", async () => {
    const seen: string[] = [];
    const c = await connectTo(async (peer) => {
      await peer.take(/<stream:stream[^>]*>/);
      peer.write(
        "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='s1'>",
      );
      await peer.take(/<\/handshake>/);
      peer.write("<handshake/><message from='a@b' to='c.test'/>");
    });
    c.onStanza((stanza) => seen.push(stanza.name) > 0);
    await c.start();
    expect(seen).toEqual(["message"]);
  });

  it("writes nothing but the handshake before it is online, and drops what is sent offline", async () => {
    let release = (): void => undefined;
    const c = await connectTo(async (peer) => {
      await peer.take(/<stream:stream[^>]*>/);
      await new Promise<void>((resolve) => (release = resolve));
      peer.write(
        "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='s1'>",
      );
      await peer.take(/<\/handshake>/);
      peer.write("<handshake/>");
    });
    const started = c.start();
    await until(() => server?.peers[0]?.text.includes("<stream:stream") === true);
    expect(c.send("<message/>")).toBe(false);
    expect(c.writable).toBe(false);
    await expect(c.request(ping())).rejects.toMatchObject({ code: "disconnected" });
    release();
    await started;
    expect(c.send("<presence to='a' from='b'/>")).toBe(true);
    await until(() => lastPeer().text.includes("<presence"));
    expect(lastPeer().text).not.toContain("<message/>");
    expect(lastPeer().text).not.toContain("<ping");
  });

  it("ends for good on a wrong secret", async () => {
    const c = await connectTo(async (peer) => {
      await peer.take(/<stream:stream[^>]*>/);
      const open =
        "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='s1'>";
      peer.write(open);
      await peer.take(/<\/handshake>/);
      peer.write(
        "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
      );
      peer.write("</stream:stream>");
    });
    let ended: XmppError | undefined;
    c.on("ended", (reason) => (ended = reason));
    await expect(c.start()).rejects.toMatchObject({ code: "auth" });
    expect(ended).toMatchObject({ code: "auth", final: true });
    // The longest wait before another attempt.
    await afterTimers(RECONNECT.maxMs);
    expect(server?.peers).toHaveLength(1);
    expect(c.state).toBe("stopped");
  });

  it("tries again after a conflict, which may be its own dead connection", async () => {
    const c = await connectTo(async (peer, index) => {
      if (index > 1) return acceptComponent(peer);
      await peer.take(/<stream:stream[^>]*>/);
      const open =
        "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='s1'>";
      peer.write(
        `${open}<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`,
      );
    });
    await c.start();
    expect(server?.peers).toHaveLength(3);
  });

  it("survives broken XML: tells the peer, and comes back", async () => {
    const offline: (XmppError | undefined)[] = [];
    const c = await connectTo((peer) => acceptComponent(peer));
    c.on("offline", ({ reason }) => offline.push(reason));
    await c.start();
    const first = lastPeer();
    first.write("<message><body>&bogus;</body></message>");
    await until(() => server?.peers.length === 2 && c.state === "online");
    expect(offline).toMatchObject([{ code: "protocol" }]);
    expect(first.text).toMatch(/<stream:error><not-well-formed .*<\/stream:stream>$/);
  });

  it("outlives the stanza that is too large", async () => {
    const c = await connectTo((peer) => acceptComponent(peer), { limits: { maxStanzaChars: 1_000 } });
    await c.start();
    const first = lastPeer();
    const long = "x".repeat(1_025);
    first.write(`<iq type='get' id='1' from='a@b/c'><q xmlns='urn:x'>${long}</q></iq>`);
    first.write("<iq type='get' id='2' from='a@b/c'><q xmlns='urn:x'/></iq>");
    await until(() => first.text.includes('id="2"'));
    expect(first.text).toMatch(
      /id="1" from="c.test"><error type="modify"><bad-request .*id="2".*<service-unavailable /,
    );
    expect(first.text).not.toContain(long);
    expect(server?.peers).toHaveLength(1);
  });

  it("answers an iq whose id is long, without asking its handlers", async () => {
    const c = await connectTo((peer) => acceptComponent(peer));
    let asked = 0;
    c.onIq("get", "urn:x", "q", () => void asked++);
    c.onStanza((stanza) => stanza.name === "iq" && asked++ < 0);
    await c.start();
    const ask = (id: string, type = "get"): void =>
      lastPeer().write(`<iq type='${type}' id='${id}' from='a@b/c'><q xmlns='urn:x'/></iq>`);
    const ids = ["x".repeat(1_025), "é".repeat(50_000), `${"&quot;".repeat(20_000)}!`];
    for (const id of ids) ask(id);
    // An iq answer needs no answer. An iq whose id no server would accept in an answer has none.
    ask("y".repeat(2_000), "result");
    ask("z".repeat(300_000), "get");
    ask("2".repeat(1_024));
    await until(() => lastPeer().text.includes('"2222'));
    const answers = ids.map((id, i) => {
      const written = i < 2 ? `"${id}"` : `'${'"'.repeat(20_000)}!'`;
      return `<iq type="error" to="a@b/c" from="c.test" id=${written}><error type="modify"><policy-violation`;
    });
    expect(answers.map((answer) => lastPeer().text.includes(answer))).toEqual([true, true, true]);
    expect(/yyy|zzz/.test(lastPeer().text)).toBe(false);
    expect(asked).toBe(2);
  });

  it("gives up on a server that accepts and never speaks, and on one that is not there", async () => {
    const silent = await connectTo(() => undefined, {
      retryStart: false,
      timeouts: { onlineMs: 100, closeMs: 50 },
    });
    await expect(silent.start()).rejects.toMatchObject({ code: "timeout" });
    expect(silent.state).toBe("stopped");
    const port = server?.port ?? 0;
    await server?.close();
    const absent = createComponentConnection({
      domain: "c",
      secret: "s",
      host: "127.0.0.1",
      port,
      retryStart: false,
    });
    await expect(absent.start()).rejects.toMatchObject({ code: "unreachable" });
    server = undefined;
  });

  it("stops waiting for its server when the caller does", async () => {
    const c = await connectTo((peer) => peer.socket.destroy());
    const abort = new AbortController();
    const starting = expect(c.start({ signal: abort.signal })).rejects.toMatchObject({ code: "aborted" });
    await until(() => (server?.peers.length ?? 0) > 1);
    abort.abort();
    await starting;
  });

  it("rejects pending requests when the connection is lost", async () => {
    const c = await connectTo((peer) => acceptComponent(peer));
    await c.start();
    const pending = c.request(ping());
    await until(() => lastPeer().text.includes("<ping"));
    lastPeer().socket.destroy();
    await expect(pending).rejects.toMatchObject({ code: "disconnected" });
  });

  it("gives every request a deadline, and believes only the one it asked", async () => {
    const c = await connectTo((peer) => acceptComponent(peer));
    await c.start();
    await expect(c.request(ping(), { timeoutMs: 20 })).rejects.toMatchObject({ code: "timeout" });
    const request = c.request(ping());
    const [, id = ""] = await lastPeer()
      .take(/id="([^"]*)"[^i]*<ping/)
      .then(() => lastPeer().take(/id="([^"]*)"/));
    lastPeer().write(`<iq type='result' from='evil.test' to='c.test' id='${id}'/>`);
    lastPeer().write(
      `<iq type='error' from='x.test' to='c.test' id='${id}'><error type='wait'>` +
        "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    );
    await expect(request).rejects.toMatchObject({ condition: "resource-constraint", type: "wait" });
  });

  it("answers iqs: pings in order, what nobody handles, errors without their details", async () => {
    const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const c = await connectTo((peer) => acceptComponent(peer));
    c.onStanza((stanza) => {
      if (stanza.name === "message") c.send(`<message to='a' from='c.test'>${stanza.text()}</message>`);
      return stanza.name === "message";
    });
    c.onIq("get", "t", "ok", () => xml("yes", { xmlns: "t" }));
    c.onIq("get", "t", "late", () => Promise.resolve(undefined));
    c.onIq("set", "t", "refused", () => {
      throw new StanzaError("not-allowed", "cancel", "no");
    });
    c.onIq("set", "t", "bug", () => Promise.reject(new Error("secret")));
    const undo = c.onIq("set", "t", "gone", () => undefined);
    undo();
    await c.start();
    const ask = (type: string, id: string, child: string): string =>
      `<iq type='${type}' from='a' to='c.test' id='${id}'>${child}</iq>`;
    lastPeer().write(
      [
        "<message from='a' to='c.test'>1</message>",
        ask("get", "p", "<ping xmlns='urn:xmpp:ping'/>"),
        "<message from='a' to='c.test'>2</message>",
        ask("get", "ok", "<ok xmlns='t'/>"),
        ask("set", "refused", "<refused xmlns='t'/>"),
        ask("set", "gone", "<gone xmlns='t'/>"),
        ask("get", "two", "<ok xmlns='t'/><ok xmlns='t'/>"),
        ask("get", "late", "<late xmlns='t'/>"),
        ask("set", "bug", "<bug xmlns='t'/>"),
      ].join(""),
    );
    await until(() => lastPeer().text.includes("internal-server-error"));
    expect(warning).toHaveBeenCalledWith(expect.stringContaining("secret"), "StanzapackWarning");
    warning.mockRestore();
    const text = lastPeer().text;
    const order = [...text.matchAll(/<message[^>]*>(\d)|id="(\w+)"/g)].map((m) => m[1] ?? m[2]);
    expect(order).toEqual(["1", "p", "2", "ok", "refused", "gone", "two", "late", "bug"]);
    expect(text).toContain('<iq type="result" to="a" from="c.test" id="ok"><yes xmlns="t"/></iq>');
    expect(text).toMatch(/id="refused"><error type="cancel"><not-allowed [^>]*\/><text [^>]*>no</);
    expect(text).toMatch(/id="gone"><error type="cancel"><service-unavailable/);
    expect(text).toMatch(/id="two"><error type="modify"><bad-request/);
    expect(text).not.toContain("secret");
  });

  it("asks the handler of all other iqs, but about pings, and puts an error's payload before it", async () => {
    const c = await connectTo((peer) => acceptComponent(peer));
    const undo = c.onOtherIq(({ child }) => {
      throw new StanzaError("not-acceptable", "modify", "", undefined, xml("kept", { xmlns: child.getNS() }));
    });
    expect(() => c.onOtherIq(() => undefined)).toThrow("already");
    await c.start();
    const ask = (id: string, child: string): void =>
      lastPeer().write(`<iq type='get' from='a' to='c.test' id='${id}'>${child}</iq>`);
    ask("p", "<ping xmlns='urn:xmpp:ping'/>");
    ask("o", "<other xmlns='t'/>");
    await until(() => lastPeer().text.includes('id="o"'));
    undo();
    ask("u", "<other xmlns='t'/>");
    await until(() => lastPeer().text.includes('id="u"'));
    const { text } = lastPeer();
    expect(text).toContain('<iq type="result" to="a" from="c.test" id="p"/>');
    expect(text).toMatch(/id="o"><kept xmlns="t"\/><error type="modify"><not-acceptable/);
    expect(text).toMatch(/id="u"><error type="cancel"><service-unavailable/);
  });

  it("says when the socket is backed up, and when it is not any more", async () => {
    const c = await connectTo((peer) => acceptComponent(peer), { limits: { maxWaitingBytes: 100_000 } });
    await c.start();
    const { socket } = lastPeer();
    socket.pause();
    let drains = 0;
    c.on("drain", () => drains++);
    const stanza = `<message from='c.test' to='a'>${"x".repeat(60_000)}</message>`;
    let sent = 0;
    do sent++;
    while (c.send(stanza) && sent < 1_000);
    expect(sent).toBeLessThan(1_000);
    expect(c.writable).toBe(false);
    socket.resume();
    await until(() => drains === 1);
    expect(c.writable).toBe(true);
    expect(c.meter.sent.xmpp).toBeGreaterThan(sent * 60_000);
  });

  it("counts bytes over all its reconnections", async () => {
    const c = await connectTo((peer) => acceptComponent(peer));
    await c.start();
    const once = { ...c.meter.sent };
    expect(once.xmpp).toBe(once.socket);
    lastPeer().socket.destroy();
    await until(() => server?.peers.length === 2 && c.state === "online");
    expect(c.meter.sent.xmpp).toBe(2 * once.xmpp);
    expect(c.meter.received.socket).toBe(c.meter.received.xmpp);
  });

  it("leaves nothing behind: 100 rounds of start and stop", async () => {
    server = await startFakeServer((peer) => acceptComponent(peer));
    const options = { domain: "c.test", secret: "s", host: "127.0.0.1", port: server.port };
    const timeouts = { onlineMs: 5_000, closeMs: 5 };
    const resources = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === "Timeout" || name.startsWith("TCP")).length;
    const before = resources();
    for (let round = 0; round < 100; round++) {
      const c = createComponentConnection({ ...options, timeouts });
      const started = c.start();
      if (round % 3 !== 0) await started;
      else started.catch(() => undefined);
      if (round % 3 === 1) c.request(ping()).catch(() => undefined);
      await Promise.all([c.stop(), c.stop()]);
    }
    for (const { socket } of server.peers) socket.destroy();
    await until(() => resources() <= before);
  });

  it("differs from xmpp.js, whose process ends with a bad entity", async () => {
    server = await startFakeServer((peer) => acceptComponent(peer));
    const stock = stockComponent({
      service: `xmpp://127.0.0.1:${String(server.port)}`,
      domain: "c.test",
      password: "s",
    }) as {
      start(): Promise<unknown>;
      parser: { write(text: string): void };
      reconnect: { stop(): void };
      socket: { destroy(): void };
      on(event: string, listener: () => void): void;
    };
    stock.on("error", () => undefined);
    await stock.start();
    stock.reconnect.stop();
    // The data handler of xmpp.js's socket makes the same call.
    expect(() => {
      stock.parser.write("<message>&bogus;</message>");
    }).toThrow(/entity/);
    stock.socket.destroy();
  });
});

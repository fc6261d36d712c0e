import { once } from "node:events";
import type net from "node:net";
import tls from "node:tls";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createClientConnection } from "./client-connection.js";
import type { ClientConnectionOptions, Connection } from "./connection.js";
import { parseServiceUrl } from "../transports/service-url.js";
import {
  acceptBind,
  acceptLogin,
  createCertificate,
  startFakeServer,
  type Certificate,
  type ClientScript,
  type FakePeer,
  type FakeServer,
} from "../testing/fake-server.js";
import { until } from "../testing/until.js";
import { watchDelays } from "../testing/watch-delays.js";
import { xml } from "../xml/xml.js";

let certificate: Certificate;
let server: FakeServer | undefined;
let connection: Connection | undefined;
beforeAll(() => {
  certificate = createCertificate("example.test");
});
afterEach(async () => {
  await connection?.stop();
  await server?.close();
  connection = server = undefined;
});

async function connectTo(
  onPeer: (peer: FakePeer, script: ClientScript, index: number) => unknown,
  options: Partial<ClientConnectionOptions> = {},
): Promise<Connection> {
  let index = 0;
  server = await startFakeServer((peer) => onPeer(peer, { certificate }, index++));
  connection = createClientConnection({
    jid: "bob@example.test",
    password: "pässword",
    url: `xmpp://127.0.0.1:${String(server.port)}`,
    resource: "r",
    ca: certificate.ca,
    timeouts: { onlineMs: 3_000, closeMs: 50 },
    reconnect: { minMs: 1, maxMs: 20 },
    ...options,
  });
  return connection;
}

async function accept(peer: FakePeer, script: ClientScript): Promise<void> {
  await acceptLogin(peer, script);
  await acceptBind(peer, script);
}

const peerAt = (index: number): FakePeer => server?.peers[index] as FakePeer;
const ping = () => xml("iq", { type: "get" }, xml("ping", { xmlns: "urn:xmpp:ping" }));

describe("a client's connection", () => {
  it("verifies the certificate for the JID's domain, asks for it by name, and logs in", async () => {
    let serverName = "";
    const c = await connectTo(async (peer, script) => {
      serverName = await acceptLogin(peer, script);
      await acceptBind(peer, script);
    });
    await c.start();
    expect(c.jid).toBe("bob@example.test/r");
    expect(serverName).toBe("example.test");
    // The password is sent in UTF-8, and only after TLS.
    const auth = btoa(String.fromCharCode(...Buffer.from("\0bob\0pässword")));
    expect(peerAt(0).text).toContain(auth);
    expect(c.meter.sent.socket).toBeGreaterThan(c.meter.sent.xmpp);
    expect(c.meter.received.socket).toBeGreaterThan(c.meter.received.xmpp);
  });

  it("counts the bytes before TLS as the server reads them", async () => {
    const c = await connectTo(accept);
    await c.start();
    c.send(`<message to='a'>${"é".repeat(50)}</message>`);
    await until(() => peerAt(0).text.includes("</message>"));
    expect(c.meter.sent.xmpp).toBe(Buffer.byteLength(peerAt(0).text));
  });

  it("speaks TLS from the first byte where the address says so", async () => {
    server = await startFakeServer(() => undefined);
    const direct = tls.createServer({
      key: certificate.key,
      cert: certificate.cert,
      ALPNProtocols: ["xmpp-client"],
    });
    const protocols: unknown[] = [];
    direct.on("secureConnection", (socket) => {
      protocols.push(socket.alpnProtocol, socket.servername);
      socket.on("error", () => undefined);
      socket.end("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'></stream:stream>");
    });
    direct.listen(0, "127.0.0.1");
    await once(direct, "listening");
    connection = createClientConnection({
      jid: "bob@example.test",
      password: "p",
      url: `xmpps://127.0.0.1:${String((direct.address() as net.AddressInfo).port)}`,
      ca: certificate.ca,
    });
    await expect(connection.start()).rejects.toMatchObject({ code: "disconnected" });
    expect(protocols).toEqual(["xmpp-client", "example.test"]);
    direct.close();
  });

  it("refuses a certificate for another domain, and one of an unknown authority", async () => {
    const c = await connectTo(accept, { jid: "bob@other.test" });
    await expect(c.start()).rejects.toMatchObject({ code: "tls" });
    const { port } = server as FakeServer;
    const stranger = createClientConnection({
      jid: "bob@example.test",
      password: "p",
      url: `xmpp://127.0.0.1:${String(port)}`,
    });
    await expect(stranger.start()).rejects.toMatchObject({ code: "tls" });
    expect(peerAt(0).text + peerAt(1).text).not.toContain("<auth");
  });

  const plain = (features: string) => async (peer: FakePeer) => {
    await peer.take(/<stream:stream[^>]*>/);
    peer.write(
      `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><stream:features>${features}</stream:features>`,
    );
    await peer.take(/<auth/);
  };
  const mechanisms = (name: string): string =>
    `<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>${name}</mechanism></mechanisms>`;

  it("does not log in without TLS, and never sends a password in the clear", async () => {
    const c = await connectTo(plain(mechanisms("SCRAM-SHA-1")));
    await expect(c.start()).rejects.toMatchObject({ code: "tls" });
    await server?.close();
    const lax = await connectTo(plain(mechanisms("PLAIN")), { requireTls: false });
    await expect(lax.start()).rejects.toMatchObject({ code: "auth" });
    expect(peerAt(0).text).not.toContain("<auth");
  });

  it.each([
    ["without its proof", "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"],
    ["with an empty proof", "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</success>"],
    ["with another's proof", `<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${btoa("v=AAAA")}</success>`],
  ])("answers SCRAM by the schema, and believes no success %s", async (_, success) => {
    const sasl = "urn:ietf:params:xml:ns:xmpp-sasl";
    let response = "";
    const c = await connectTo(
      async (peer) => {
        await peer.take(/<stream:stream[^>]*>/);
        peer.write(
          `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><stream:features>${mechanisms("SCRAM-SHA-1")}</stream:features>`,
        );
        const [, first = ""] = await peer.take(/<auth [^>]*mechanism="SCRAM-SHA-1"[^>]*>([^<]*)<\/auth>/);
        const [, nonce = ""] = /r=(.*)$/.exec(atob(first)) ?? [];
        peer.write(`<challenge xmlns='${sasl}'>${btoa(`r=${nonce}x,s=QSXCR+Q6sek8bf92,i=4096`)}</challenge>`);
        [response] = await peer.take(/<response[^>]*>/);
        peer.write(success);
      },
      { requireTls: false },
    );
    await expect(c.start()).rejects.toMatchObject({
      code: "auth",
      message: expect.stringContaining("could not prove") as string,
    });
    // RFC 6120 appendix A.4: `response` has no attributes.
    expect(response).toBe(`<response xmlns="${sasl}">`);
  });

  it("believes no success before the challenge", async () => {
    const c = await connectTo(
      async (peer) => {
        await peer.take(/<stream:stream[^>]*>/);
        peer.write(
          `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><stream:features>${mechanisms("SCRAM-SHA-256")}</stream:features>`,
        );
        await peer.take(/<auth/);
        peer.write("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
      },
      { requireTls: false },
    );
    await expect(c.start()).rejects.toMatchObject({ code: "auth" });
  });

  it("never becomes somebody anonymous", async () => {
    const c = await connectTo(plain(mechanisms("ANONYMOUS")), { requireTls: false });
    await expect(c.start()).rejects.toMatchObject({ code: "auth" });
  });

  it("does not read as XMPP what was slipped in before TLS", async () => {
    let rest = "";
    const c = await connectTo(
      async (peer, script) => {
        const { write } = peer;
        const injected = `<stream:features>${mechanisms("SCRAM-SHA-1")}</stream:features>`;
        peer.write = (text) => {
          write(String(text).replace(/(<proceed[^>]*>)/, `$1${injected}`));
        };
        await accept(peer, script);
        rest = peer.text.slice(peer.text.indexOf("<starttls"));
      },
      { requireTls: false },
    );
    await c.start();
    expect(rest).not.toContain("SCRAM");
  });

  it("ends for good when the credentials are refused", async () => {
    const c = await connectTo((peer, script) => acceptLogin(peer, { ...script, accept: false }), {
      retryStart: true,
    });
    await expect(c.start()).rejects.toMatchObject({ code: "auth", final: true });
    expect(server?.peers).toHaveLength(1);
  });

  it("ends for good when another session takes its place", async () => {
    const c = await connectTo(accept);
    await c.start();
    const ended = new Promise((resolve) => c.on("ended", resolve));
    peerAt(0).write(
      "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    );
    expect(await ended).toMatchObject({ code: "conflict" });
    expect(c.state).toBe("stopped");
  });

  it("resumes the TLS session too", async () => {
    const c = await connectTo(accept);
    await c.start();
    expect((peerAt(0).socket as tls.TLSSocket).isSessionReused()).toBe(false);
    peerAt(0).socket.destroy();
    await until(() => server?.peers.length === 2 && c.state === "online");
    expect((peerAt(1).socket as tls.TLSSocket).isSessionReused()).toBe(true);
  });

  it("goes on to the next address when one accepts and never speaks, within one deadline", async () => {
    const silent = await startFakeServer(() => undefined);
    const url = (scheme: string): string => `${scheme}://127.0.0.1:${String(silent.port)}/`;
    const silentUrls = ["xmpp", "xmpps", "ws", "http"].map(url);
    try {
      const c = await connectTo(accept);
      const good = `xmpp://127.0.0.1:${String(server?.port)}`;
      const patient = createClientConnection({
        jid: "bob@example.test",
        password: "pässword",
        ca: certificate.ca,
        urls: [...silentUrls, good],
        timeouts: { onlineMs: 4_000, closeMs: 50 },
      });
      // All five addresses share one deadline.
      await patient.start();
      expect(patient.transport).toBe("tcp");
      await patient.stop();
      expect(patient.transport).toBeUndefined();
      const hopeless = createClientConnection({
        jid: "bob@example.test",
        password: "p",
        urls: silentUrls,
        timeouts: { onlineMs: 400 },
      });
      await expect(hopeless.start()).rejects.toMatchObject({ code: "timeout" });
      await until(() => silent.peers.every(({ socket }) => socket.destroyed || socket.readableEnded));
      await c.stop();
    } finally {
      await silent.close();
    }
  });

  it("looks the domain up: SRV records first, its host-meta when they lead nowhere", async () => {
    const asked: string[] = [];
    const dead = await startFakeServer((peer) => peer.socket.destroy());
    server = await startFakeServer((peer) => accept(peer, { certificate }));
    const tcp = (port: number) => [
      { transport: "tcp" as const, url: new URL(`xmpp://127.0.0.1:${String(port)}`) },
    ];
    connection = createClientConnection(
      {
        jid: "bob@example.test",
        password: "pässword",
        ca: certificate.ca,
        timeouts: { onlineMs: 5_000, closeMs: 50 },
      },
      {
        tcp: async (domain) => (asked.push(`SRV ${domain}`), tcp(dead.port)),
        // Here the alternative may be a TCP address too.
        alternatives: async ({ domain }) => (asked.push(`host-meta ${domain}`), tcp(server?.port ?? 0)),
      },
    );
    await connection.start();
    expect(asked).toEqual(["SRV example.test", "host-meta example.test"]);
    await dead.close();
  });

  it("looks a domain of any letters up in ASCII, asks TLS for that, and names it to the stream as JIDs do", async () => {
    const asked: string[] = [];
    const own = createCertificate("xn--mnchen-3ya.test");
    let serverName = "";
    server = await startFakeServer(async (peer) => {
      serverName = await acceptLogin(peer, { certificate: own });
      await acceptBind(peer, { certificate: own });
    });
    connection = createClientConnection(
      { jid: "D'Artagnan@MÜNCHEN.test.", password: "p", ca: own.ca, timeouts: { closeMs: 50 } },
      {
        tcp: async (domain) => (asked.push(`SRV ${domain}`), []),
        alternatives: async ({ domain }) => {
          asked.push(`host-meta ${domain}`);
          return [parseServiceUrl(`xmpp://127.0.0.1:${String(server?.port)}`)];
        },
      },
    );
    await connection.start();
    expect(asked).toEqual(["SRV xn--mnchen-3ya.test", "host-meta xn--mnchen-3ya.test"]);
    expect(serverName).toBe("xn--mnchen-3ya.test");
    expect(peerAt(0).text.match(/ to=['"]münchen\.test['"]/g)?.length).toBeGreaterThanOrEqual(2);
    // RFC 6120 §4.7.1: `from` is sent only inside TLS.
    expect(peerAt(0).text).toMatch(/ from=['"]d\\27artagnan@münchen\.test['"]/);
    expect(peerAt(0).text).toContain(btoa("\0d\\27artagnan\0p"));
  });

  it("gives senders as they are prepared, since ejabberd gives them as they wrote themselves", async () => {
    const c = await connectTo(accept);
    const senders: unknown[] = [];
    c.onStanza((stanza) => senders.push(stanza.attrs["from"]) > 0);
    await c.start();
    for (const from of ["BOB@EXAMPLE.test/ﬁ", "a b@c d", "bob@example.test/r"])
      peerAt(0).write(`<message from='${from}'/>`);
    await until(() => senders.length === 3);
    expect(senders).toEqual(["bob@example.test/fi", "a b@c d", "bob@example.test/r"]);
  });

  it("uses no unencrypted address beyond this machine", async () => {
    for (const url of ["ws://192.0.2.1/", "http://192.0.2.1/"]) {
      const c = createClientConnection({ jid: "bob@example.test", password: "p", url });
      await expect(c.start()).rejects.toMatchObject({ code: "tls" });
    }
  });

  it("gives up looking and connecting when told to", async () => {
    const silent = await startFakeServer(() => undefined);
    for (const scheme of ["xmpp", "ws", "http"]) {
      const url = `${scheme}://127.0.0.1:${String(silent.port)}/`;
      const c = createClientConnection({ jid: "bob@example.test", password: "p", url });
      await expect(c.start({ signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ code: "aborted" });
    }
    await until(() => silent.peers.every(({ socket }) => socket.destroyed || socket.readableEnded));
    await silent.close();
  });

  it("resumes its session: resends, keeps requests, takes what comes right behind", async () => {
    const seen: string[] = [];
    const c = await connectTo(async (peer, script, index) => {
      await acceptLogin(peer, script);
      if (index === 0) return acceptBind(peer, script);
      await peer.take(/<resume[^>]*h='1'[^>]*previd='sm1'\/>/);
      peer.write(
        "<resumed xmlns='urn:xmpp:sm:3' h='1' previd='sm1'/><message>2</message><message>3</message>",
      );
    });
    c.onStanza((stanza) => seen.push(stanza.text()) > 0);
    const online: unknown[] = [];
    c.on("online", (info) => online.push(info));
    await c.start();
    await until(() => peerAt(0).text.includes("<enable"));
    peerAt(0).write("<message>1</message>");
    await until(() => seen.length === 1);
    c.send("<message>a</message><message>b</message>", 2);
    const answer = c.request(ping());
    await until(() => peerAt(0).text.includes("<ping"));
    peerAt(0).socket.destroy();
    await until(() => server?.peers.length === 2 && c.state === "online");
    await until(() => seen.length === 3);
    const text = peerAt(1).text;
    await until(() => peerAt(1).text.includes("<ping"));
    expect(peerAt(1).text).toMatch(/<message>b<\/message><iq [^>]*><ping [^>]*\/><\/iq><r [^>]*\/>$/);
    expect(text).not.toContain("<message>a");
    peerAt(1).write(
      `<iq type='result' id='${/id="([^"]*)"/.exec(peerAt(1).text.split("<ping")[0] ?? "")?.[1] ?? ""}'/>`,
    );
    const [, id] = /<iq [^>]*id="([^"]*)"[^>]*><ping/.exec(peerAt(1).text) ?? [];
    peerAt(1).write(`<iq type='result' id='${String(id)}'/>`);
    await answer;
    expect(seen).toEqual(["1", "2", "3"]);
    expect(online).toEqual([
      { jid: "bob@example.test/r", resumed: false },
      { jid: "bob@example.test/r", resumed: true },
    ]);
  });

  it.each([
    { back: true, expected: "<message>on its way</message><message>offline</message><message>too</message>" },
    { back: false, expected: "" },
  ])("sends what it was given offline with the session that it resumes, and no other: $back", async (row) => {
    const c = await connectTo(async (peer, script, index) => {
      await acceptLogin(peer, script);
      if (index === 0) return acceptBind(peer, script);
      await peer.take(/<resume[^>]*>/);
      if (row.back) return peer.write("<resumed xmlns='urn:xmpp:sm:3' h='0' previd='sm1'/>");
      peer.write("<failed xmlns='urn:xmpp:sm:3'/>");
      await acceptBind(peer, script);
    });
    await c.start();
    c.send("<message>on its way</message>");
    await until(() => peerAt(0).text.includes("on its way"));
    c.on("offline", () => {
      expect(c.send("<message>offline</message>")).toBe(false);
      expect(c.send("<message>too</message>")).toBe(false);
    });
    const online = new Promise((resolve) => c.on("online", resolve));
    peerAt(0).socket.destroy();
    expect(await online).toMatchObject({ resumed: row.back });
    c.send("<message>later</message>");
    await until(() => peerAt(1).text.includes("later"));
    const sent = peerAt(1).text.replaceAll(/<r [^>]*\/>/g, "");
    expect(sent.slice(sent.indexOf("<message"))).toBe(`${row.expected}<message>later</message>`);
  });

  it("begins a new session when the old one is gone, and then rejects what was pending", async () => {
    const c = await connectTo(async (peer, script, index) => {
      await acceptLogin(peer, script);
      if (index > 0) {
        await peer.take(/<resume[^>]*>/);
        peer.write(
          "<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
        );
      }
      await acceptBind(peer, script);
    });
    await c.start();
    c.send("<message>lost</message>");
    const request = c.request(ping());
    await until(() => peerAt(0).text.includes("<ping"));
    const online = new Promise((resolve) => c.on("online", resolve));
    peerAt(0).socket.destroy();
    await expect(request).rejects.toMatchObject({ code: "disconnected" });
    expect(await online).toEqual({ jid: "bob@example.test/r", resumed: false });
    expect(peerAt(1).text).not.toContain("lost");
  });

  it("does not resume a session that would bring back the stanza that broke it", async () => {
    const c = await connectTo(accept);
    await c.start();
    await until(() => peerAt(0).text.includes("<enable"));
    peerAt(0).write("<message>&bogus;</message>");
    await until(() => server?.peers.length === 2 && c.state === "online");
    expect(peerAt(1).text).not.toContain("<resume");
    // The peer receives the reason over TLS too.
    expect(peerAt(0).text).toMatch(/<not-well-formed [^>]*\/><\/stream:error><\/stream:stream>$/);
  });

  it("shows the first failure, unless it shall keep trying", async () => {
    const c = await connectTo((peer) => peer.socket.destroy());
    await expect(c.start()).rejects.toMatchObject({ code: "disconnected" });
    await server?.close();
    const patient = await connectTo(
      (peer, script, index) => (index < 2 ? peer.socket.destroy() : accept(peer, script)),
      {
        retryStart: true,
      },
    );
    await patient.start();
    expect(server?.peers).toHaveLength(3);
  });

  it("closes its stream when stopped, and waits no longer than it says", async () => {
    const c = await connectTo(accept);
    await c.start();
    const delays = watchDelays();
    await Promise.all([c.stop(), c.stop()]);
    // `closeMs` is the longest timer. None is half a minute.
    expect(Math.max(0, ...delays())).toBeLessThanOrEqual(50);
    await until(() => peerAt(0).socket.destroyed || peerAt(0).socket.readableEnded);
    expect(peerAt(0).text).toMatch(/<a [^>]*h='0'\/><\/stream:stream>$/);
    expect(c.state).toBe("stopped");
    await expect(c.start()).resolves.toBeUndefined();
    expect(c.send("<message/>")).toBe(false);
  });

  it("ends for good when it gets another resource than the one it was given, or none", async () => {
    const bind = (answer: string) => async (peer: FakePeer, script: ClientScript) => {
      await acceptLogin(peer, script);
      await peer.take(/<\/bind><\/iq>/);
      peer.write(answer);
    };
    const error = (type: string, condition: string): string =>
      `<iq type='error' id='bind'><error type='${type}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`;
    const bound = (resource: string): string =>
      `<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>bob@example.test/${resource}</jid></bind></iq>`;
    const cases = [
      [bound("other"), { code: "resource" }, /"r", and the server gave "other" in its place/],
      [error("modify", "bad-request"), { code: "resource" }, /"r", and the server refused it: bad-request/],
      [error("cancel", "not-allowed"), { code: "resource" }, /not-allowed/],
      [error("modify", "conflict"), { code: "conflict" }, /another session has the resource "r"/],
    ] as const;
    for (const [answer, code, text] of cases) {
      // Final even with `retryStart`, since another attempt would give the same.
      const c = await connectTo(bind(answer), { retryStart: true });
      const failure = await c.start().catch((reason: unknown) => reason);
      expect(failure).toMatchObject(code);
      expect((failure as Error).message).toMatch(text);
      expect(server?.peers).toHaveLength(1);
      await server?.close();
    }
    const crowded = await connectTo(bind(error("wait", "resource-constraint")));
    await expect(crowded.start()).rejects.toMatchObject({ code: "unreachable" });
    await server?.close();
    // The resource is compared as Resourceprep prepares it. Without the option, any resource is accepted.
    const prepared = await connectTo(bind(bound("fi x")), { resource: "\ufb01\u00ad\u00a0x" });
    await prepared.start();
    await prepared.stop();
    await server?.close();
    const { resource: _, ...any } = { resource: "" };
    server = await startFakeServer((peer) => bind(bound("long-one"))(peer, { certificate }));
    connection = createClientConnection({
      jid: "bob@example.test",
      password: "p",
      url: `xmpp://127.0.0.1:${String(server.port)}`,
      ca: certificate.ca,
      ...any,
    });
    await connection.start();
    expect(connection.jid).toBe("bob@example.test/long-one");
  });

  it("says what to do where a page has no WebCrypto", async () => {
    server = await startFakeServer(() => undefined);
    const { subtle: _, ...rest } = {
      getRandomValues: crypto.getRandomValues.bind(crypto),
      subtle: undefined,
    };
    vi.stubGlobal("crypto", rest);
    try {
      const c = createClientConnection({
        jid: "bob@example.test",
        password: "p",
        url: `xmpp://127.0.0.1:${String(server.port)}`,
        retryStart: true,
      });
      await expect(c.start()).rejects.toMatchObject({ code: "insecure-context", final: true });
      await expect(c.start()).rejects.toThrow(/https:/);
      expect(server.peers).toHaveLength(0);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it.each<[string, object, string]>([
    ["no local part", { jid: "example.test" }, "`jid`: it must have a local part"],
    [
      "another scheme",
      { url: "ftp://example.test" },
      '`url` must be xmpp://host:port, xmpps://host:port, wss://host/path or https://host/path, not "ftp://example.test"',
    ],
    ["no URL", { urls: ["xmpp://a", "nonsense"] }, "`urls.1` must be xmpp://host:port"],
    ["no UUID", { clientId: "me" }, "`clientId` must be a UUID"],
    ["both", { url: "xmpp://a", urls: ["xmpp://a"] }, "exclude each other"],
    [
      "a misspelt name",
      { timeouts: { onlinems: 5 } },
      "`timeouts.onlinems` is not an option; did you mean `onlineMs`?",
    ],
    [
      "a number of another kind",
      { streamManagement: { maxQueue: 0.5 } },
      "`streamManagement.maxQueue` must be a whole number",
    ],
    [
      "a character that XML cannot carry",
      { resource: "a\u0002" },
      "`resource` contains U+0002, which XML cannot carry",
    ],
    ["a password that is none", { password: 7 }, "`password` must be text of 1 to 65,535 characters."],
  ])("refuses %s", (_, options, text) => {
    const make = (): unknown =>
      createClientConnection({ jid: "bob@example.test", password: "p", ...options });
    expect(make).toThrow(
      expect.objectContaining({ code: "invalid-options", message: expect.stringContaining(text) }) as Error,
    );
  });
});

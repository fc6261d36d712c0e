import { createHmac } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { createClientConnection } from "./client-connection.js";
import type { ClientConnectionOptions, Connection } from "./connection.js";
import {
  acceptBind,
  acceptCompression,
  acceptLogin,
  acceptTls,
  createCertificate,
  startFakeServer,
  type Certificate,
  type FakePeer,
  type FakeServer,
} from "../testing/fake-server.js";
import { afterTimers, until } from "../testing/until.js";

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

const SASL2 = "urn:xmpp:sasl:2";
const SM = "<sm xmlns='urn:xmpp:sm:3'/>";
const BIND = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>";
const SHORT = "<feature var='urn:stanzapack:0#short-resource'/>";
const BIND2 = `<bind xmlns='urn:xmpp:bind:0'><inline>${SHORT}</inline></bind>`;
const BIND2_WITH_SM = `<bind xmlns='urn:xmpp:bind:0'><inline>${SHORT}<feature var='urn:xmpp:sm:3'/></inline></bind>`;
const FAST =
  "<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-ENDP</mechanism><mechanism>HT-SHA-256-NONE</mechanism></fast>";
const LEGACY =
  "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>";

const offer = (inline: string, mechanism = "PLAIN"): string =>
  `<authentication xmlns='${SASL2}'><mechanism>ANONYMOUS</mechanism><mechanism>${mechanism}</mechanism>` +
  `<inline>${inline}</inline></authentication>${LEGACY}`;

const success = (children: string, jid = "bob@example.test/Xy1z"): string =>
  `<success xmlns='${SASL2}'><authorization-identifier>${jid}</authorization-identifier>${children}</success>`;
const BOUND = "<bound xmlns='urn:xmpp:bind:0'/>";
const BOUND_WITH_SM =
  "<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='sm1' resume='1'/></bound>";
const features = (children: string): string => `<stream:features>${children}</stream:features>`;
const TOKEN = "<token xmlns='urn:xmpp:fast:0' token='s3cret' expiry='2099-01-01T00:00:00Z'/>";
const failure = (condition: string): string =>
  `<failure xmlns='${SASL2}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>`;

async function connectTo(
  onPeer: (peer: FakePeer, index: number) => unknown,
  options: Partial<ClientConnectionOptions> = {},
): Promise<Connection> {
  let index = 0;
  server = await startFakeServer((peer) => onPeer(peer, index++));
  connection = createClientConnection({
    jid: "bob@example.test",
    password: "secret",
    url: `xmpp://127.0.0.1:${String(server.port)}`,
    ca: certificate.ca,
    timeouts: { onlineMs: 3_000, closeMs: 50 },
    reconnect: { minMs: 1, maxMs: 20 },
    ...options,
  });
  return connection;
}

const peerAt = (index: number): FakePeer => server?.peers[index] as FakePeer;

/** Accepts STARTTLS, then `<authenticate/>`. Returns its mechanism, its first response and its whole text. */
async function takeAuthenticate(
  peer: FakePeer,
  offered: string,
): Promise<{ name: string; first: string; text: string }> {
  await acceptTls(peer, certificate, offered);
  return takeAgain(peer);
}

async function takeAgain(peer: FakePeer): Promise<{ name: string; first: string; text: string }> {
  const [text, name = "", first = ""] = await peer.take(
    /<authenticate xmlns='urn:xmpp:sasl:2' mechanism='([^']*)'><initial-response>([^<]*)<.*?<\/authenticate>/,
  );
  return { name, first: atob(first), text };
}

const hmac = (role: string, secret = "s3cret"): string =>
  createHmac("sha256", secret).update(role).digest().toString("latin1");

async function nextOnline(c: Connection): Promise<{ jid: string; resumed: boolean }> {
  return new Promise((resolve) => c.on("online", resolve));
}

describe("a client on a server with SASL2", () => {
  it("is online two round trips earlier: no new stream, bound along with the login", async () => {
    const classic = await connectTo(async (peer) => {
      await acceptLogin(peer, { certificate });
      await acceptBind(peer, { certificate });
    });
    let turns = 0;
    classic.on("online", () => (turns = peerAt(0).turns));
    await classic.start();
    await classic.stop();
    await server?.close();

    const c = await connectTo(async (peer) => {
      const { name, first, text } = await takeAuthenticate(peer, offer(BIND2_WITH_SM + SM));
      expect([name, first]).toEqual(["PLAIN", "\0bob\0secret"]);
      expect(text).toMatch(/<user-agent id='[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f-]{17}'>/);
      expect(text).toContain(
        "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>",
      );
      peer.write(success(BOUND_WITH_SM) + "<message>behind</message>" + features(SM));
    });
    const seen: string[] = [];
    c.onStanza((stanza) => seen.push(stanza.text()) > 0);
    await c.start();
    expect(c.jid).toBe("bob@example.test/Xy1z");
    // Four turns: header, STARTTLS, header, login. Without SASL2 there are two more: header, bind.
    expect(peerAt(0).turns).toBeLessThanOrEqual(turns - 2);
    // XEP-0388 §2.1: the header has the address that logs in.
    expect(peerAt(0).text).toMatch(/<stream:stream [^>]*from="bob@example.test"/);
    await until(() => seen.length === 1);
    peerAt(0).write("<r xmlns='urn:xmpp:sm:3'/>");
    await until(() => peerAt(0).text.includes("<a xmlns='urn:xmpp:sm:3' h='1'/>"));
    expect(peerAt(0).text.match(/<enable/g)).toHaveLength(1);
  });

  it("stays on the address where it logged in when there is another to try", async () => {
    const silent = await startFakeServer(() => undefined);
    const c = await connectTo(async (peer) => {
      await takeAuthenticate(peer, offer(BIND2_WITH_SM));
      peer.write(success(BOUND_WITH_SM) + features(SM));
    });
    const urls = [server, silent].map((one) => `xmpp://127.0.0.1:${String(one?.port)}`);
    const patient = createClientConnection({
      jid: "bob@example.test",
      password: "secret",
      urls,
      ca: certificate.ca,
      timeouts: { onlineMs: 800, closeMs: 50 },
    });
    try {
      const states: unknown[] = [];
      patient.on("offline", (info) => states.push(info));
      await patient.start();
      // After this, the service's share of the time is over.
      await afterTimers(800);
      expect([states, silent.peers]).toEqual([[], []]);
    } finally {
      await patient.stop();
      await silent.close();
      await c.stop();
    }
  });

  it("enables Stream Management itself where binding does not", async () => {
    const c = await connectTo(async (peer) => {
      await takeAuthenticate(peer, offer(BIND2));
      peer.write(success(BOUND));
      peer.write(features(SM));
    });
    await c.start();
    await until(() =>
      peerAt(0).text.endsWith("</authenticate><enable xmlns='urn:xmpp:sm:3' resume='true'/>"),
    );
  });

  it("binds in a step of its own where the server would make a long resource", async () => {
    const c = await connectTo(async (peer) => {
      const { text } = await takeAuthenticate(peer, offer(BIND2_WITH_SM.replace(SHORT, "")));
      expect(text).not.toContain("<bind");
      peer.write(success("", "bob@example.test") + features(BIND + SM));
      await acceptBind(peer, { certificate });
    });
    await c.start();
    expect(c.jid).toMatch(/^bob@example\.test\/[\w-]{4}$/);
  });

  it("binds the resource asked for, as it is", async () => {
    const c = await connectTo(
      async (peer) => {
        expect((await takeAuthenticate(peer, offer(BIND2_WITH_SM))).text).not.toContain("<bind");
        peer.write(success("", "bob@example.test") + features(BIND + SM));
        await acceptBind(peer, { certificate });
      },
      { resource: "desk" },
    );
    await c.start();
    expect(c.jid).toBe("bob@example.test/desk");
  });

  it("falls back to SASL where SASL2 has nothing for it", async () => {
    const c = await connectTo(async (peer) => {
      await acceptTls(peer, certificate, offer(BIND2, "X-OAUTH2"));
      await peer.take(/<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN"/);
      peer.write("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>");
    });
    await expect(c.start()).rejects.toMatchObject({ code: "auth" });
  });

  it.each([
    ["refused credentials", failure("not-authorized"), "auth"],
    ["a server in trouble", failure("temporary-auth-failure"), "unreachable"],
    ["a second factor", `<continue xmlns='${SASL2}'><tasks><task>TOTP</task></tasks></continue>`, "auth"],
    ["a bound resource without its name", success(BOUND, "bob@example.test"), "protocol"],
  ])("tells %s", async (_, answer, code) => {
    const c = await connectTo(async (peer) => {
      await takeAuthenticate(peer, offer(BIND2));
      peer.write(answer);
    });
    await expect(c.start()).rejects.toMatchObject({ code });
  });

  it("believes no success without the server's proof", async () => {
    const c = await connectTo(async (peer) => {
      const { first } = await takeAuthenticate(peer, offer(BIND2, "SCRAM-SHA-256"));
      const nonce = /r=(.*)/.exec(first)?.[1] ?? "";
      peer.write(`<challenge xmlns='${SASL2}'>${btoa(`r=${nonce}x,s=AAAA,i=4096`)}</challenge>`);
      await peer.take(/<response xmlns='urn:xmpp:sasl:2'>[^<]+</);
      peer.write(success(`<additional-data>${btoa("v=AAAA")}</additional-data>${BOUND}`));
    });
    await expect(c.start()).rejects.toMatchObject({ code: "auth" });
  });

  it("resumes along with the login, or is bound there when the session is gone", async () => {
    const c = await connectTo(async (peer, index) => {
      const { text } = await takeAuthenticate(peer, offer(BIND2_WITH_SM + SM));
      if (index === 0) peer.write(success(BOUND_WITH_SM) + features(SM));
      else {
        expect(text).toMatch(/<resume xmlns='urn:xmpp:sm:3' h='0' previd='sm1'\/><bind /);
        peer.write(
          index === 1
            ? success("<resumed xmlns='urn:xmpp:sm:3' h='0' previd='sm1'/>") + features(SM)
            : success(`<failed xmlns='urn:xmpp:sm:3'/>${BOUND_WITH_SM}`, "bob@example.test/Xy2z") +
                features(SM),
        );
      }
    });
    await c.start();
    c.send("<message>a</message>");
    let online = nextOnline(c);
    peerAt(0).socket.destroy();
    expect(await online).toEqual({ jid: "bob@example.test/Xy1z", resumed: true });
    await until(() => peerAt(1).text.includes("</authenticate><message>a</message>"));
    online = nextOnline(c);
    peerAt(1).socket.destroy();
    expect(await online).toEqual({ jid: "bob@example.test/Xy2z", resumed: false });
  });

  it("does not resume on another kind of transport, and binds there at once", async () => {
    const websocket = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    let login = "";
    websocket.on("connection", (peer) => {
      peer.on("message", (data: Buffer) => {
        const text = data.toString();
        if (text.startsWith("<open")) {
          peer.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'/>");
          const stream = "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>";
          peer.send(`${stream}${offer(BIND2_WITH_SM + SM)}</stream:features>`);
        } else if (text.startsWith("<authenticate")) {
          login = text;
          peer.send(success(BOUND_WITH_SM.replace("sm1", "sm2"), "bob@example.test/s~2"));
        }
      });
    });
    await once(websocket, "listening");
    server = await startFakeServer(async (peer) => {
      await takeAuthenticate(peer, offer(BIND2_WITH_SM + SM));
      peer.write(success(BOUND_WITH_SM) + features(SM));
    });
    const { port } = websocket.address() as AddressInfo;
    const urls = [`xmpp://127.0.0.1:${String(server.port)}`, `ws://127.0.0.1:${String(port)}/`];
    connection = createClientConnection({
      jid: "bob@example.test",
      password: "secret",
      urls,
      ca: certificate.ca,
      reconnect: { minMs: 1, maxMs: 20 },
    });
    await connection.start();
    const online = nextOnline(connection);
    await server.close();
    expect(await online).toEqual({ jid: "bob@example.test/s~2", resumed: false });
    expect(connection.transport).toBe("websocket");
    expect(login).toMatch(/<bind /);
    expect(login).not.toContain("<resume");
    await connection.stop();
    websocket.close();
  });

  it("does not give a session away that is resumed in a step of its own", async () => {
    const c = await connectTo(async (peer, index) => {
      const { text } = await takeAuthenticate(peer, offer(BIND2_WITH_SM));
      if (index === 0) return peer.write(success(BOUND_WITH_SM) + features(SM));
      expect(text).not.toMatch(/<bind|<resume/);
      peer.write(success("", "bob@example.test") + features(BIND + SM));
      await peer.take(/<resume [^>]*previd='sm1'\/>/);
      peer.write("<resumed xmlns='urn:xmpp:sm:3' h='0' previd='sm1'/>");
    });
    await c.start();
    const online = nextOnline(c);
    peerAt(0).socket.destroy();
    expect(await online).toMatchObject({ resumed: true });
  });

  it("asks for nothing of the session along with the login when compression comes between", async () => {
    const c = await connectTo(
      async (peer) => {
        const { text } = await takeAuthenticate(peer, offer(BIND2_WITH_SM + SM));
        expect(text).not.toContain("<bind");
        const zlib =
          "<compression xmlns='http://jabber.org/features/compress'><method>zlib</method></compression>";
        peer.write(success("", "bob@example.test") + features(BIND + SM + zlib));
        await acceptCompression(peer, BIND + SM);
        await acceptBind(peer, { certificate });
      },
      { compress: true },
    );
    await c.start();
    expect(c.compressed).toBe(true);
  });
});

describe("FAST (XEP-0484)", () => {
  const clientId = "e6ac1a3c-6f35-4b43-8d0c-21a4a4f9e3b1";
  const connectAs = (
    onPeer: Parameters<typeof connectTo>[0],
    options: Partial<ClientConnectionOptions> = {},
  ) => connectTo(onPeer, { clientId, ...options });

  it("asks for a token with the second login, unless its id is to stay", async () => {
    const asked: boolean[] = [];
    const c = await connectTo(async (peer, index) => {
      const { name, text } = await takeAuthenticate(peer, offer(BIND2 + FAST));
      asked.push(text.includes("<request-token"));
      expect(name).toBe(index === 2 ? "HT-SHA-256-NONE" : "PLAIN");
      const ours = index === 2 ? proof : "";
      peer.write(success(ours + BOUND + (index === 1 ? TOKEN : "")) + features(""));
    });
    await c.start();
    for (const index of [0, 1]) {
      const online = nextOnline(c);
      peerAt(index).socket.destroy();
      await online;
    }
    expect(asked).toEqual([false, true, false]);
  });

  const proof = `<additional-data>${btoa(hmac("Responder"))}</additional-data>`;

  it("logs in again by its token, in one step; and with a newer one after that", async () => {
    const c = await connectAs(async (peer, index) => {
      const { name, first, text } = await takeAuthenticate(peer, offer(BIND2 + FAST));
      if (index === 0) {
        expect(text).toContain(`<user-agent id='${clientId}'>`);
        expect(text).toContain("<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>");
        return peer.write(success(BOUND + TOKEN) + features(""));
      }
      const secret = index === 1 ? "s3cret" : "newer";
      expect([name, first]).toEqual(["HT-SHA-256-NONE", `bob\0${hmac("Initiator", secret)}`]);
      expect(text).toContain("<fast xmlns='urn:xmpp:fast:0'/>");
      expect(text).not.toContain("<request-token");
      const ours = `<additional-data>${btoa(hmac("Responder", secret))}</additional-data>`;
      peer.write(success(ours + BOUND + TOKEN.replace("s3cret", "newer")) + features(""));
    });
    await c.start();
    for (const index of [0, 1]) {
      const online = nextOnline(c);
      peerAt(index).socket.destroy();
      await online;
    }
    expect(peerAt(2).turns).toBe(4);
    expect(peerAt(2).text).not.toContain(btoa("\0bob\0secret"));
  });

  it("takes the password again, on the same stream, when the token is refused", async () => {
    const c = await connectAs(async (peer, index) => {
      await takeAuthenticate(peer, offer(BIND2 + FAST));
      if (index > 0) {
        peer.write(failure("not-authorized"));
        expect(await takeAgain(peer)).toMatchObject({ name: "PLAIN", first: "\0bob\0secret" });
      }
      peer.write(success(BOUND + TOKEN) + features(""));
    });
    await c.start();
    const online = nextOnline(c);
    peerAt(0).socket.destroy();
    await online;
    expect(server?.peers).toHaveLength(2);
  });

  it("or on a new one, where the server does not let it", async () => {
    const c = await connectAs(async (peer, index) => {
      const { name } = await takeAuthenticate(peer, offer(BIND2 + FAST));
      if (index === 1) {
        peer.write(failure("credentials-expired"));
        await takeAgain(peer);
        return peer.write(failure("invalid-mechanism"));
      }
      expect(name).toBe("PLAIN");
      peer.write(success(BOUND + TOKEN) + features(""));
    });
    await c.start();
    const online = nextOnline(c);
    peerAt(0).socket.destroy();
    await online;
    expect(server?.peers).toHaveLength(3);
  });

  it("tries a token once only, where the server falls silent at it", async () => {
    const names: string[] = [];
    const c = await connectAs(
      async (peer, index) => {
        names.push((await takeAuthenticate(peer, offer(BIND2 + FAST))).name);
        if (index !== 1) peer.write(success(BOUND + TOKEN) + features(""));
      },
      { timeouts: { onlineMs: 500, closeMs: 50 } },
    );
    await c.start();
    const online = nextOnline(c);
    peerAt(0).socket.destroy();
    await online;
    expect(names).toEqual(["PLAIN", "HT-SHA-256-NONE", "PLAIN"]);
  });

  it.each([
    ["has expired", TOKEN.replace("2099", "2001"), FAST],
    ["has no end", TOKEN.replace("2099-01-01T00:00:00Z", "never"), FAST],
    ["is for a mechanism no longer offered", TOKEN, ""],
  ])("does not use a token that %s", async (_, token, fast) => {
    const names: string[] = [];
    const c = await connectAs(async (peer, index) => {
      names.push((await takeAuthenticate(peer, offer(BIND2 + (index === 0 ? FAST : fast)))).name);
      peer.write(success(BOUND + token) + features(""));
    });
    await c.start();
    const online = nextOnline(c);
    peerAt(0).socket.destroy();
    await online;
    expect(names).toEqual(["PLAIN", "PLAIN"]);
  });

  it("believes no server that does not know the token", async () => {
    const c = await connectAs(async (peer, index) => {
      await takeAuthenticate(peer, offer(BIND2 + FAST));
      peer.write(success((index === 0 ? "" : proof.replace(/>.../, ">AAA")) + BOUND + TOKEN) + features(""));
    });
    await c.start();
    const ended = new Promise((resolve) => c.on("ended", resolve));
    peerAt(0).socket.destroy();
    expect(await ended).toMatchObject({ code: "auth" });
  });
});

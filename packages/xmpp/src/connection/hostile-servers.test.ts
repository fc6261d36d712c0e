import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { beforeAll, describe, expect, it } from "vitest";
import { createClientConnection } from "./client-connection.js";
import { createComponentConnection } from "./component-connection.node.js";
import type { ClientConnectionOptions } from "./connection.js";
import type { XmppErrorCode } from "../base/errors.js";
import * as NS from "../base/namespaces.js";
import {
  createCertificate,
  startFakeServer,
  type Certificate,
  type FakePeer,
} from "../testing/fake-server.js";
import { reach, STAGES, type HostilePeer, type Stage } from "../testing/hostile-server.js";
import { endure, endureServer, type Ordeal } from "../testing/ordeal.js";
import type { TransportKind } from "../transports/transport.js";

const KINDS = ["tcp", "websocket", "bosh"] as const satisfies TransportKind[];

/** Deadline for faults that only the deadline finds, in ms. */
const SHORT_MS = 700;
/** Deadline for all other faults, which must be found before it, in ms. */
const LONG_MS = 40_000;

let certificate: Certificate;
beforeAll(() => {
  certificate = createCertificate("example.test");
});

type Codes = XmppErrorCode | Readonly<Record<TransportKind, XmppErrorCode>>;

interface Fault {
  readonly what: string;
  readonly at: Stage;
  readonly act: (peer: HostilePeer) => unknown;
  readonly code: Codes;
  /** The message of the error must match this. */
  readonly says?: RegExp;
  readonly only?: readonly TransportKind[];
  /** Only the deadline finds the fault. */
  readonly silent?: boolean;
  readonly options?: Partial<ClientConnectionOptions>;
}

const streamError = (condition: string): string =>
  `<stream:error><${condition} xmlns='${NS.STREAM_ERRORS}'/></stream:error>`;
const saslFailure = (condition: string): string => `<failure xmlns='${NS.SASL}'><${condition}/></failure>`;
const say = (xml: string) => (peer: HostilePeer) => {
  peer.say(xml);
};

const SILENCES: Fault[] = STAGES.filter((at) => at !== "online").map((at) => ({
  what: "falls silent",
  at,
  act: () => undefined,
  code: "timeout",
  silent: true,
}));

const DROPS: Fault[] = STAGES.map((at) => ({
  what: "is gone without a word",
  at,
  act: (peer) => {
    peer.drop();
  },
  code: "disconnected",
}));

/** Text that is not XML, and XML that XMPP forbids: during the negotiation, and in a session. */
const ILLEGAL: Fault[] = (
  [
    ["an entity that nobody knows", "<message><body>&bogus;</body></message>"],
    ["an entity named as a property of objects", "<message><body>&constructor;</body></message>"],
    ["a document type", "<!DOCTYPE a [<!ENTITY x 'y'>]><message/>"],
    [
      "a billion laughs",
      `<!DOCTYPE l [<!ENTITY a 'ha'>${Array.from({ length: 30 }, (_, i) => `<!ENTITY b${String(i)} '&a;&a;'>`).join("")}]><message>&b29;</message>`,
    ],
    ["a processing instruction", "<message><?php x ?></message>"],
    ["a comment", "<message><!-- x --></message>"],
    ["a tag that closes another", "<message><a></b></message>"],
    ["an end that nothing began", "</message>"],
    ["an attribute twice", "<message a='1' a='2'/>"],
    ["an attribute without quotes", "<message a=1/>"],
    ["text between stanzas", "<message/>text<message/>"],
    ["a name that begins with a digit", "<message><1y/></message>"],
    ["a name with two colons", "<message xmlns:x='x'><x:y:z/></message>"],
    ["']]>' in a text", "<message><body>]]></body></message>"],
    ["a character that XML does not have", "<message><body>\u0001</body></message>"],
    ["a NUL", "<message><body>\0</body></message>"],
    ["a NUL as an entity", "<message><body>&#0;</body></message>"],
  ] as const
).flatMap(([what, xml]) =>
  (["features", "online"] as const).map((at) => ({ what, at, act: say(xml), code: "protocol" as const })),
);

const UNFINISHED: Fault[] = [
  {
    what: "an element that does not end",
    at: "login",
    act: say("<message><body>"),
    // A stream of characters may continue. A frame has ended.
    code: { tcp: "timeout", websocket: "protocol", bosh: "protocol" },
  },
  {
    what: "a second root behind the end of the first",
    at: "online",
    act: (peer) => {
      peer.say(
        peer.kind === "tcp"
          ? "</stream:stream><stream:stream xmlns:stream='x'>"
          : `<close xmlns='${NS.FRAMING}'/><message/>`,
      );
    },
    code: "disconnected",
  },
  {
    what: "a second root within the first",
    at: "opened",
    act: (peer) => {
      peer.open();
    },
    only: ["tcp"],
    code: "protocol",
  },
  {
    what: "what is no UTF-8",
    at: "online",
    only: ["tcp"],
    act: ({ socket }) => socket.write(Buffer.from("<message><body>\xff\xfe</body></message>", "latin1")),
    code: "protocol",
    says: /UTF-8/,
  },
  {
    what: "half a character at the end of an element",
    at: "online",
    only: ["tcp"],
    act: ({ socket }) => socket.write(Buffer.from("<message><body>\xe2\x82</body></message>", "latin1")),
    code: "protocol",
    says: /UTF-8/,
  },
  {
    what: "a text message that is no UTF-8",
    at: "online",
    only: ["websocket"],
    act: ({ socket }) => socket.write(Buffer.from([0x81, 2, 0xff, 0xfe])),
    code: "protocol",
  },
  {
    what: "a binary message",
    at: "online",
    only: ["websocket"],
    act: ({ socket }) => socket.write(Buffer.from([0x82, 2, 0x3c, 0x61])),
    code: "protocol",
  },
  {
    what: "a frame with reserved bits",
    at: "online",
    only: ["websocket"],
    act: ({ socket }) => socket.write(Buffer.from([0xf1, 2, 0x3c, 0x61])),
    code: "protocol",
  },
  {
    what: "an answer that is no UTF-8",
    at: "online",
    only: ["bosh"],
    act: async (peer) => (await peer.request?.())?.response.end(Buffer.from([0x3c, 0xff])),
    code: "protocol",
    says: /UTF-8/,
  },
  {
    what: "two bodies in an answer",
    at: "online",
    only: ["bosh"],
    act: async (peer) =>
      (await peer.request?.())?.response.end(
        `<body xmlns='${NS.HTTP_BIND}'/><body xmlns='${NS.HTTP_BIND}'/>`,
      ),
    code: "protocol",
  },
  {
    what: "no HTTP",
    at: "online",
    only: ["bosh"],
    act: async (peer) => (await peer.request?.())?.response.socket?.end("SSH-2.0-x\r\n\r\n"),
    code: "protocol",
  },
];

const REFUSALS: Fault[] = [
  ...(
    [
      ["host-unknown", "unreachable"],
      ["conflict", "conflict"],
      ["not-authorized", "protocol"],
      ["policy-violation", "protocol"],
      ["bad-format", "protocol"],
      ["system-shutdown", "disconnected"],
      ["resource-constraint", "disconnected"],
      ["see-other-host", "disconnected"],
      ["made-up", "disconnected"],
    ] as const
  ).flatMap(([condition, code]) =>
    (["opened", "binding", "online"] as const).map((at) => ({
      what: `ends the stream: ${condition}`,
      at,
      act: say(streamError(condition)),
      code,
      says: new RegExp(condition),
    })),
  ),
  {
    what: "sends the client elsewhere, and says where",
    at: "features",
    act: say(
      `<stream:error><see-other-host xmlns='${NS.STREAM_ERRORS}'>[2001:db8::1]:9222</see-other-host></stream:error>`,
    ),
    code: "disconnected",
    says: /see-other-host.*\[2001:db8::1\]:9222/,
  },
  ...(
    [
      ["not-authorized", "auth"],
      ["account-disabled", "auth"],
      ["invalid-mechanism", "auth"],
      ["made-up", "auth"],
      ["temporary-auth-failure", "unreachable"],
      ["aborted", "unreachable"],
    ] as const
  ).map(([condition, code]) => ({
    what: `refuses the login: ${condition}`,
    at: "login" as const,
    act: say(saslFailure(condition)),
    code,
    says: new RegExp(condition),
  })),
  {
    what: "offers no login",
    at: "opened",
    act: (peer) => {
      peer.say("<stream:features/>");
    },
    code: { tcp: "tls", websocket: "auth", bosh: "auth" },
  },
  {
    what: "refuses the resource",
    at: "binding",
    act: say(
      `<iq type='error' id='bind'><error type='cancel'><conflict xmlns='${NS.STANZA_ERRORS}'/></error></iq>`,
    ),
    code: "conflict",
  },
];

/** Answers that nobody requested. An attacker between client and server can send all of these. */
const UNASKED: Fault[] = [
  [
    "a bound resource",
    `<iq type='result' id='bind'><bind xmlns='${NS.BIND}'><jid>bob@example.test/r</jid></bind></iq>`,
  ],
  ["a resumed session", `<resumed xmlns='${NS.SM}' h='0' previd='x'/>`],
  ["a failed resumption", `<failed xmlns='${NS.SM}'/>`],
  ["a login that went well", `<success xmlns='${NS.SASL}'/>`],
  ["a go-ahead for TLS", `<proceed xmlns='${NS.TLS}'/>`],
].map(([what, xml]) => ({
  what: `answers what nobody asked: ${String(what)}`,
  at: "opened",
  act: say(String(xml)),
  code: "protocol",
  says: /without a request/,
}));

const REPEATED: Fault[] = [
  {
    what: "offers the same features again and again",
    at: "features",
    act: say("<stream:features/>"),
    code: "protocol",
    says: /again/,
  },
];

const FAULTS = [...SILENCES, ...DROPS, ...ILLEGAL, ...UNFINISHED, ...REFUSALS, ...UNASKED, ...REPEATED];

function expectClean(ordeal: Ordeal): void {
  expect(ordeal.uncaught).toEqual([]);
  expect(ordeal.leftovers).toEqual([]);
}

describe.each(KINDS)("a client over %s", (kind) => {
  it.each(FAULTS.filter(({ only }) => only?.includes(kind) ?? true))(
    "when its server, at $at, $what",
    async ({ at, act, code, says, silent, options }) => {
      const expected = typeof code === "string" ? code : code[kind];
      const onlineMs = silent === true || expected === "timeout" ? SHORT_MS : LONG_MS;
      const ordeal = await endureServer(
        kind,
        certificate,
        async (peer) => {
          await reach(peer, at);
          await act(peer);
        },
        { timeouts: { onlineMs, closeMs: 50 }, ...options },
      );
      expect(ordeal.reason).toMatchObject({ name: "XmppError", code: expected });
      if (says !== undefined) expect(ordeal.reason.message).toMatch(says);
      expect(ordeal.elapsedMs).toBeLessThan(expected === "timeout" ? 10 * SHORT_MS : LONG_MS / 2);
      expectClean(ordeal);
    },
  );
});

describe("a certificate that is not the server's", () => {
  const cases = [
    ["of another name", () => createCertificate("other.test"), true],
    ["of no authority that we know", () => createCertificate("example.test"), false],
    ["that has expired", () => createCertificate("example.test", { expired: true }), true],
  ] as const;
  const ways = [
    ["tcp", "tcp"],
    ["wss", "websocket"],
    ["https", "bosh"],
  ] as const;
  describe.each(ways)("over %s", (_scheme, kind) => {
    it.each(cases)("%s", async (_what, create, trusted) => {
      const wrong = create();
      let heard = "";
      const ordeal = await endureServer(
        kind,
        wrong,
        async (peer) => {
          await reach(peer, "features");
          heard = "a stream";
        },
        { tls: true, ca: trusted ? wrong.ca : certificate.ca },
      );
      expect(ordeal.reason).toMatchObject({ code: "tls" });
      expect(heard).toBe("");
      expectClean(ordeal);
    });
  });
});

/** Faults below the stream, before there is one. */
describe("a server that is none", () => {
  const schemes = ["xmpp", "xmpps", "ws", "wss", "http", "https"] as const;

  const endureSocket = (
    scheme: string,
    onSocket: (socket: net.Socket) => unknown,
    onlineMs = LONG_MS,
  ): Promise<Ordeal> =>
    endure(async () => {
      const sockets = new Set<net.Socket>();
      const server = net.createServer((socket) => {
        sockets.add(socket);
        socket.on("error", () => undefined);
        onSocket(socket);
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      return {
        connection: createClientConnection({
          jid: "bob@example.test",
          password: "p",
          url: `${scheme}://127.0.0.1:${String((server.address() as net.AddressInfo).port)}/`,
          ca: certificate.ca,
          timeouts: { onlineMs, closeMs: 50 },
        }),
        async close() {
          for (const socket of sockets) socket.destroy();
          server.close();
          if (server.listening) await once(server, "close");
        },
      };
    });

  it.each(schemes)("over %s: accepts, and never speaks", async (scheme) => {
    const ordeal = await endureSocket(scheme, (socket) => socket.resume(), SHORT_MS);
    expect(ordeal.reason).toMatchObject({ code: "timeout" });
    expectClean(ordeal);
  });

  it.each([
    ["xmpp", "disconnected"],
    ["xmpps", "unreachable"],
    ["ws", "unreachable"],
    ["wss", "unreachable"],
    ["http", "disconnected"],
    ["https", "unreachable"],
  ])("over %s: hangs up at the first bytes", async (scheme, code) => {
    const ordeal = await endureSocket(scheme, (socket) =>
      socket.once("data", () => socket.resetAndDestroy()),
    );
    expect(ordeal.reason).toMatchObject({ code });
    expectClean(ordeal);
  });

  it.each([
    ["xmpp", "protocol"],
    ["xmpps", "tls"],
    ["ws", "unreachable"],
    ["wss", "tls"],
    ["http", "protocol"],
    ["https", "tls"],
  ])("over %s: speaks another protocol", async (scheme, code) => {
    const ordeal = await endureSocket(scheme, (socket) => {
      socket.once("data", () => socket.write("SSH-2.0-OpenSSH_9.2\r\n".repeat(10)));
    });
    expect(ordeal.reason).toMatchObject({ code });
    expectClean(ordeal);
  });

  it("hangs up in the middle of STARTTLS", async () => {
    const ordeal = await endureSocket("xmpp", (socket) => {
      socket.once("data", () => {
        socket.write(
          `<stream:stream xmlns='jabber:client' xmlns:stream='${NS.STREAM}'><stream:features><starttls xmlns='${NS.TLS}'/></stream:features>`,
        );
        socket.once("data", () => {
          socket.write(`<proceed xmlns='${NS.TLS}'/>`);
          // The first TLS message of the client.
          socket.once("data", () => socket.resetAndDestroy());
        });
      });
    });
    expect(ordeal.reason).toMatchObject({ code: "unreachable" });
    expectClean(ordeal);
  });

  describe.each(["ws", "http"])("over %s: answers with the HTTP status", (scheme) => {
    it.each([301, 302, 307, 308, 400, 401, 403, 404, 405, 426, 429, 500, 502, 503, 504])(
      "%i",
      async (status) => {
        let others = 0;
        const other = http.createServer((_, response) => {
          others++;
          response.end();
        });
        other.listen(0, "127.0.0.1");
        await once(other, "listening");
        const { port } = other.address() as net.AddressInfo;
        const ordeal = await endureSocket(scheme, (socket) =>
          socket.once("data", () =>
            socket.end(
              `HTTP/1.1 ${String(status)} Nothing\r\nLocation: http://127.0.0.1:${String(port)}/\r\nContent-Length: 5\r\n\r\nhello`,
            ),
          ),
        );
        expect(ordeal.reason).toMatchObject({ code: "unreachable" });
        expect(ordeal.reason.message).toContain(String(status));
        // The client follows no redirect: it could lead away from TLS, and from the host that the certificate names.
        expect(others).toBe(0);
        expectClean(ordeal);
        other.close();
      },
    );
  });
});

describe("a component", () => {
  const endureComponent = (onPeer: (peer: FakePeer) => unknown, onlineMs = LONG_MS): Promise<Ordeal> =>
    endure(async () => {
      const server = await startFakeServer(onPeer);
      return {
        connection: createComponentConnection({
          domain: "c.test",
          secret: "s",
          host: "127.0.0.1",
          port: server.port,
          retryStart: false,
          timeouts: { onlineMs, closeMs: 50 },
          reconnect: { minMs: 60_000, maxMs: 60_000 },
        }),
        close: () => server.close(),
      };
    });
  const header = `<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='${NS.STREAM}' id='s1' from='c.test'>`;
  const stages = {
    connected: () => undefined,
    opened: async (peer: FakePeer) => {
      await peer.take(/<stream:stream[^>]*>/);
      peer.write(header);
    },
    "shaking hands": async (peer: FakePeer) => {
      await stages.opened(peer);
      await peer.take(/<handshake>\w+<\/handshake>/);
    },
    online: async (peer: FakePeer) => {
      await stages["shaking hands"](peer);
      peer.write("<handshake/>");
    },
  };
  type ComponentStage = keyof typeof stages;

  it.each(["connected", "opened", "shaking hands"] as ComponentStage[])(
    "whose server, when %s, falls silent",
    async (at) => {
      const ordeal = await endureComponent(stages[at], SHORT_MS);
      expect(ordeal.reason).toMatchObject({ code: "timeout" });
      expectClean(ordeal);
    },
  );

  it.each(Object.keys(stages) as ComponentStage[])("whose server, when %s, is gone", async (at) => {
    const ordeal = await endureComponent(async (peer) => {
      await stages[at](peer);
      peer.socket.destroy();
    });
    expect(ordeal.reason).toMatchObject({ code: "disconnected" });
    expectClean(ordeal);
  });

  it.each([...new Map(ILLEGAL.map(({ what, act }) => [what, act]))])(
    "whose server sends %s",
    async (_what, act) => {
      const ordeal = await endureComponent(async (peer) => {
        await stages.online(peer);
        await act({ say: peer.write } as unknown as HostilePeer);
      });
      expect(ordeal.reason).toMatchObject({ code: "protocol" });
      expectClean(ordeal);
    },
  );

  it.each([
    ["not-authorized", "auth"],
    ["host-unknown", "unreachable"],
    ["conflict", "conflict"],
    ["invalid-xml", "protocol"],
    ["system-shutdown", "disconnected"],
  ])("whose server refuses it: %s", async (condition, code) => {
    const ordeal = await endureComponent(async (peer) => {
      await stages["shaking hands"](peer);
      peer.write(streamError(condition));
    });
    expect(ordeal.reason).toMatchObject({ code });
    expectClean(ordeal);
  });

  it("whose server's stream has no id", async () => {
    const ordeal = await endureComponent(async (peer) => {
      await peer.take(/<stream:stream[^>]*>/);
      peer.write(header.replace(" id='s1'", ""));
    });
    expect(ordeal.reason).toMatchObject({ code: "protocol" });
    expectClean(ordeal);
  });
});

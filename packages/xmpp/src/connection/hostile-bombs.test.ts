import zlib from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClientConnection } from "./client-connection.js";
import { createComponentConnection } from "./component-connection.node.js";
import type { ClientConnectionOptions } from "./connection.js";
import type { XmppErrorCode } from "../base/errors.js";
import * as NS from "../base/namespaces.js";
import {
  acceptComponent,
  acceptCompression,
  acceptTls,
  createCertificate,
  sessionFeatures,
  startFakeServer,
  type Certificate,
} from "../testing/fake-server.js";
import { bodyOf, pour, reach, type HostilePeer, type Stage } from "../testing/hostile-server.js";
import { endure, endureServer, memoryInUse, type Ordeal } from "../testing/ordeal.js";
import type { TransportKind } from "../transports/transport.js";

/** Size of a bomb that a server tries to send, in bytes. */
const BOMB_BYTES = 32_000_000;
/**
 * Most memory that client and server together may hold at any moment, in bytes: two to four times what they hold now.
 * The client reads a BOSH answer as a whole. So it holds 8 MiB of chunks, the same joined, the same as text, and a tree
 * of as many elements as are allowed. The server holds its own copy.
 */
const MAX_PEAK_BYTES: Readonly<Record<TransportKind, number>> = {
  tcp: 20_000_000,
  websocket: 20_000_000,
  bosh: 40_000_000,
};
/** Bound for the growth of the process, in bytes: two bombs. All bombs together have some gigabytes. */
const MAX_RSS_BYTES = 2 * BOMB_BYTES;
/** Most memory left after all bombs, in bytes: less than one bomb. */
const MAX_LEFT_BYTES = 16_000_000;
/** Size of the allowed text that a server sends, in bytes: more than the memory that the client may keep of it. */
const MUCH_BYTES = 12_000_000;
const CHUNK_CHARS = 65_536;

let certificate: Certificate;
let inUse = 0;
beforeAll(async () => {
  certificate = createCertificate("example.test");
  inUse = await memoryInUse();
});
afterAll(async () => {
  expect((await memoryInUse()) - inUse).toBeLessThan(MAX_LEFT_BYTES);
});

interface Bomb {
  readonly what: string;
  readonly at: Stage;
  readonly kind: TransportKind;
  /** Resolves with the number of bytes that the server sent. */
  readonly act: (peer: HostilePeer) => Promise<number>;
  readonly code: XmppErrorCode;
  readonly options?: Partial<ClientConnectionOptions>;
}

const chunkOf = (unit: string): string => unit.repeat(Math.ceil(CHUNK_CHARS / unit.length));

/** Bombs without an end: a head, and a unit that is repeated. */
const ENDLESS: readonly (readonly [what: string, head: string, unit: string, code: XmppErrorCode])[] = [
  ["text without an end", "<message><body>", "x", "protocol"],
  ["attributes without an end", "<message ", "a1='x' ", "protocol"],
  ["different attributes without an end", "<message ", "", "protocol"],
  ["one attribute's value without an end", "<message a='", "x", "protocol"],
  ["a name without an end", "<", "x", "protocol"],
  ["nesting without an end", "", "<a>", "protocol"],
  ["children without an end", "<message>", "<a/>", "protocol"],
  ["a CDATA section without an end", "<message><![CDATA[", "]]", "protocol"],
  ["a processing instruction without an end", "<?x ", "y", "protocol"],
  ["features without an end", "", "<stream:features/>", "protocol"],
  ["entities without an end", "<message><body>", "&amp;", "protocol"],
];

/** The repeated units. They differ when equal ones would be refused for another reason. */
const unitsFor = (what: string, unit: string): string =>
  what.startsWith("different")
    ? Array.from({ length: 8_000 }, (_, i) => `a${String(i)}='x' `).join("")
    : chunkOf(unit);

/** `npm run test:whole` tries each at both stages, `npm test` at one of them, in turn. */
const stagesOf = (what: string, i: number): readonly Stage[] => {
  if (what.startsWith("features")) return ["binding"];
  const stages = ["opened", "binding"] as const;
  return process.env["STANZAPACK_TEST"] === "whole" ? stages : [stages[i % 2] as Stage];
};

const tcp: Bomb[] = ENDLESS.flatMap(([what, head, unit, code], i) =>
  stagesOf(what, i).map((at) => ({
    what,
    at,
    kind: "tcp" as const,
    act: async (peer) => {
      peer.socket.write(head);
      return pour(peer.socket, BOMB_BYTES, unitsFor(what, unit));
    },
    code,
  })),
);

/** RFC 6455 §5.2: the head of an unmasked frame. */
function frameHead(firstByte: number, length: number): Buffer {
  const head = Buffer.alloc(10);
  head[0] = firstByte;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

const oneFrame = (unit: Buffer, times: number): Buffer =>
  Buffer.concat(Array.from({ length: times }, () => unit));

const websocket: Bomb[] = [
  ...ENDLESS.map(([what, head, unit, code]): Bomb => {
    return {
      what: `${what}, in messages that it takes`,
      at: "binding",
      kind: "websocket",
      act: async (peer) => {
        const text = Buffer.from(
          what.startsWith("features")
            ? `<stream:features xmlns:stream='${NS.STREAM}'/>`
            : (head + chunkOf(unitsFor(what, unit).repeat(20))).slice(0, 2_000_000),
        );
        return pour(peer.socket, BOMB_BYTES, Buffer.concat([frameHead(0x81, text.length), text]));
      },
      code,
    };
  }),
  {
    what: "a message of gigabytes",
    at: "binding",
    kind: "websocket",
    act: async (peer) => {
      peer.socket.write(frameHead(0x81, 4_000_000_000));
      return pour(peer.socket, BOMB_BYTES, chunkOf("x"));
    },
    code: "protocol",
  },
  {
    what: "a message as long as there are numbers",
    at: "opened",
    kind: "websocket",
    act: async (peer) => {
      peer.socket.write(Buffer.from([0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
      return pour(peer.socket, BOMB_BYTES, chunkOf("x"));
    },
    code: "protocol",
  },
  ...(
    [
      ["fragments without an end", Buffer.concat([frameHead(0, 4_096), Buffer.alloc(4_096, "x")])],
      ["fragments of one byte without an end", oneFrame(Buffer.from([0, 1, 0x78]), 20_000)],
      ["empty fragments without an end", oneFrame(Buffer.from([0, 0]), 30_000)],
    ] as const
  ).map(([what, fragments]): Bomb => ({
    what,
    at: "binding",
    kind: "websocket",
    act: async (peer) => {
      peer.socket.write(Buffer.from([0x01, 1, 0x3c]));
      return pour(peer.socket, BOMB_BYTES, fragments);
    },
    code: "protocol",
  })),
];

const answer = (head: string, unit: string) => async (peer: HostilePeer) => {
  const request = await peer.request?.();
  const socket = request?.response.socket;
  if (!socket) return 0;
  socket.write(head);
  return pour(socket, BOMB_BYTES, unit);
};

const chunked = (unit: string): string => `${unit.length.toString(16)}\r\n${unit}\r\n`;

const bosh: Bomb[] = [
  ...ENDLESS.map(([what, head, unit, code]): Bomb => ({
    what: `${what}, in an answer that it takes`,
    at: "binding",
    kind: "bosh",
    act: async (peer) => {
      const content = head + unitsFor(what, unit).repeat(100).slice(0, 6_000_000);
      (await peer.request?.())?.response.end(bodyOf(content));
      return content.length;
    },
    code,
  })),
  {
    what: "an answer of gigabytes, announced",
    at: "binding",
    kind: "bosh",
    act: answer("HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n<body", chunkOf(" ")),
    code: "protocol",
  },
  {
    what: "an answer without an end, in chunks",
    at: "binding",
    kind: "bosh",
    act: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(chunkOf("x"))),
    code: "protocol",
  },
  {
    what: "an answer without an end, up to the connection's",
    at: "binding",
    kind: "bosh",
    act: answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", chunkOf("x")),
    code: "protocol",
  },
  {
    what: "an answer without an end to its very first request",
    at: "connected",
    kind: "bosh",
    act: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(chunkOf("x"))),
    code: "protocol",
  },
  {
    what: "headers without an end",
    at: "binding",
    kind: "bosh",
    act: answer("HTTP/1.1 200 OK\r\n", chunkOf("X: y\r\n")),
    code: "protocol",
  },
  {
    what: "a status line without an end",
    at: "binding",
    kind: "bosh",
    act: answer("HTTP/1.1 200 ", chunkOf("O")),
    code: "protocol",
  },
  {
    what: "interim answers without an end",
    at: "binding",
    kind: "bosh",
    act: answer("", chunkOf("HTTP/1.1 103 Early Hints\r\n\r\n")),
    code: "timeout",
    options: { timeouts: { onlineMs: 3_000, closeMs: 50 } },
  },
];

function expectBounded(ordeal: Ordeal, kind: TransportKind = "tcp"): void {
  expect(ordeal.uncaught).toEqual([]);
  expect(ordeal.leftovers).toEqual([]);
  expect(ordeal.peakBytes).toBeLessThan(MAX_PEAK_BYTES[kind]);
  expect(ordeal.peakRssBytes).toBeLessThan(MAX_RSS_BYTES);
  if (process.env["STANZAPACK_TEST_LOG"] !== undefined) {
    const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
    console.error(
      `peak ${mb(ordeal.peakBytes)}, rss ${mb(ordeal.peakRssBytes)}, ${ordeal.elapsedMs.toFixed(0)} ms: ${ordeal.reason.message}`,
    );
  }
}

describe("a bomb", () => {
  it.each([...tcp, ...websocket, ...bosh])(
    "over $kind, at $at: $what",
    async ({ kind, at, act, code, options }) => {
      let giving: Promise<number> | undefined;
      const ordeal = await endureServer(
        kind,
        certificate,
        async (peer) => {
          await reach(peer, at);
          await (giving = act(peer));
        },
        { ...options, isWatched: true },
      );
      expect(ordeal.reason).toMatchObject({ name: "XmppError", code });
      expectBounded(ordeal, kind);
      // The server sent some bytes. The client may have closed the connection before the whole bomb was sent.
      expect(await giving).toBeGreaterThan(0);
    },
  );

  it("over tcp, behind <compressed/>: megabytes of kilobytes", async () => {
    const bomb = zlib.deflateSync(Buffer.alloc(BOMB_BYTES, "x"), { level: 9 });
    const ordeal = await endure(async () => {
      const sasl = `<mechanisms xmlns='${NS.SASL}'><mechanism>PLAIN</mechanism></mechanisms>`;
      const server = await startFakeServer(async (peer) => {
        await acceptTls(peer, certificate, sasl);
        await peer.take(/<auth[^>]*>[^<]*<\/auth>/);
        peer.write(`<success xmlns='${NS.SASL}'/>`);
        await peer.take(/<stream:stream[^>]*>/);
        peer.write(
          `<stream:stream xmlns='jabber:client' xmlns:stream='${NS.STREAM}' id='s' version='1.0'><stream:features>` +
            `<compression xmlns='${NS.COMPRESS_FEATURE}'><method>zlib</method></compression></stream:features>`,
        );
        const { writeRaw } = await acceptCompression(peer, sessionFeatures({ certificate }));
        await peer.take(/<bind/);
        writeRaw(bomb.subarray(2));
      });
      return {
        connection: createClientConnection({
          jid: "bob@example.test",
          password: "p",
          url: `xmpp://127.0.0.1:${String(server.port)}`,
          resource: "r",
          ca: certificate.ca,
          compress: true,
          timeouts: { onlineMs: 100_000, closeMs: 50 },
        }),
        close: () => server.close(),
      };
    }, true);
    expect(ordeal.reason).toMatchObject({ code: "protocol" });
    expectBounded(ordeal);
  });

  it.each(ENDLESS.filter(([what]) => !what.startsWith("features")))(
    "for a component: %s",
    async (what, head, unit, code) => {
      const ordeal = await endure(async () => {
        const server = await startFakeServer(async (peer) => {
          await acceptComponent(peer);
          peer.write(head);
          await pour(peer.socket, BOMB_BYTES, unitsFor(what, unit));
        });
        return {
          connection: createComponentConnection({
            domain: "c.test",
            secret: "s",
            host: "127.0.0.1",
            port: server.port,
            timeouts: { onlineMs: 100_000, closeMs: 50 },
            reconnect: { minMs: 60_000, maxMs: 60_000 },
          }),
          close: () => server.close(),
        };
      }, true);
      expect(ordeal.reason).toMatchObject({ code });
      expectBounded(ordeal);
    },
  );
});

/** Large amounts of allowed text are no fault. The client must not keep them, and only the deadline ends them. */
describe("much of what is allowed", () => {
  it.each([
    ["whitespace between stanzas", " "],
    ["elements that mean nothing here", "<x xmlns='urn:x'/>"],
    ["messages", "<message xmlns='jabber:client'><body>x</body></message>"],
  ])("over tcp, while the session is made: %s", async (_what, unit) => {
    let given = 0;
    const act = async (peer: HostilePeer): Promise<void> => {
      await reach(peer, "opened");
      given = await pour(peer.socket, MUCH_BYTES, chunkOf(unit));
      peer.drop();
    };
    const ordeal = await endureServer("tcp", certificate, act, { isWatched: true });
    expect(ordeal.reason).toMatchObject({ code: "disconnected" });
    expect(given).toBeGreaterThanOrEqual(MUCH_BYTES);
    expectBounded(ordeal);
  });

  it("does not put off the deadline", async () => {
    const ordeal = await endureServer(
      "tcp",
      certificate,
      async (peer) => {
        await reach(peer, "opened");
        while (!peer.socket.destroyed) await pour(peer.socket, MUCH_BYTES, " ");
      },
      { timeouts: { onlineMs: 1_000, closeMs: 50 }, isWatched: true },
    );
    expect(ordeal.reason).toMatchObject({ code: "timeout" });
    expectBounded(ordeal);
  });
});

import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import type net from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import { formatBody } from "../bosh/bosh-body.js";
import * as NS from "../base/namespaces.js";
import type { TransportKind } from "../transports/transport.js";
import { SESSION, startFakeBosh, type FakeBoshRequest } from "./fake-bosh.js";
import { startFakeServer, upgrade, type Certificate } from "./fake-server.js";

/** Stage of a client at which the fault happens. */
export type Stage = "connected" | "opened" | "features" | "login" | "binding" | "online";

export const STAGES = [
  "connected",
  "opened",
  "features",
  "login",
  "binding",
  "online",
] as const satisfies Stage[];

/** One client's stream on any transport. It can send XML, and bytes below XML. */
export interface HostilePeer {
  readonly kind: TransportKind;
  /** The socket below XML, inside TLS when there is TLS. */
  readonly socket: net.Socket;
  /**
   * Resolves when the client has sent text that matches, since the last `take`. `<open` matches the stream's opening.
   */
  take(pattern: RegExp): Promise<unknown>;
  /** Answers the stream's opening. */
  open(): void;
  /** Sends text, whole elements or not, in a frame of the transport. */
  say(xml: string): void;
  /** Cuts the peer's connections, and every later one. */
  drop(): void;
  /** TCP only: accepts STARTTLS, up to the next opening. */
  secure?(): Promise<void>;
  /** BOSH only: resolves with the waiting request, to answer it without `say`. */
  request?(): Promise<FakeBoshRequest>;
}

export interface HostileServer {
  readonly url: string;
  /** Connections made. */
  readonly accepted: number;
  close(): Promise<void>;
}

const STREAM_HEADER = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='${NS.STREAM}' id='s1' from='example.test' version='1.0'>`;

const features = (content: string): string => `<stream:features>${content}</stream:features>`;
const MECHANISMS = features(`<mechanisms xmlns='${NS.SASL}'><mechanism>PLAIN</mechanism></mechanisms>`);
const SUCCESS = `<success xmlns='${NS.SASL}'/>`;
const BIND = `<bind xmlns='${NS.BIND}'/>`;
const BOUND = `<iq type='result' id='bind'><bind xmlns='${NS.BIND}'><jid>bob@example.test/r</jid></bind></iq>`;

/** Brings a client to a stage, as a correct server does. At `features` the client has received the offer of a login. */
export async function reach(peer: HostilePeer, stage: Stage): Promise<void> {
  const at = STAGES.indexOf(stage);
  if (at < 1) return;
  await peer.take(/<open/);
  if (at === 1) return peer.open();
  await peer.secure?.();
  peer.open();
  peer.say(MECHANISMS);
  if (at < 3) return;
  await peer.take(/<auth/);
  if (at < 4) return;
  peer.say(SUCCESS);
  await peer.take(/<open/);
  peer.open();
  peer.say(features(BIND));
  await peer.take(/<bind/);
  if (at < 5) return;
  peer.say(BOUND);
}

/** Collects a client's text until `take`. */
class Said {
  #text = "";
  #waiting: (() => void) | undefined;
  readonly add = (text: string): void => {
    this.#text += text;
    this.#waiting?.();
  };
  readonly take = async (pattern: RegExp): Promise<void> => {
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match !== null) {
        this.#text = this.#text.slice(match.index + match[0].length);
        return;
      }
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
  };
}

/**
 * Starts a server on loopback that the test plays. With `tls`, the URL of WebSocket or BOSH uses TLS. For TCP the URL
 * is always `xmpp:`.
 */
export function startHostileServer(
  kind: TransportKind,
  certificate: Certificate,
  onPeer: (peer: HostilePeer) => unknown,
  options: { readonly tls?: boolean } = {},
): Promise<HostileServer> {
  const run = (peer: HostilePeer): void => {
    // The script fails when its client has closed the connection.
    Promise.resolve(onPeer(peer)).catch(() => undefined);
  };
  switch (kind) {
    case "tcp":
      return startTcp(certificate, run);
    case "websocket":
      return startWebSocket(options.tls === true ? certificate : undefined, run);
    case "bosh":
      return startBosh(options.tls === true ? certificate : undefined, run);
  }
}

async function startTcp(certificate: Certificate, run: (peer: HostilePeer) => void): Promise<HostileServer> {
  let dropped = false;
  const server = await startFakeServer((fake) => {
    if (dropped) return fake.socket.resetAndDestroy();
    run({
      kind: "tcp",
      get socket() {
        return fake.socket;
      },
      take: (pattern) => fake.take(pattern.source === "<open" ? /<stream:stream[^>]*>/ : pattern),
      open: () => {
        fake.write(STREAM_HEADER);
      },
      say: (xml) => {
        fake.write(xml);
      },
      drop() {
        dropped = true;
        fake.socket.destroy();
      },
      async secure() {
        fake.write(STREAM_HEADER + features(`<starttls xmlns='${NS.TLS}'/>`));
        await fake.take(/<starttls[^>]*>/);
        fake.write(`<proceed xmlns='${NS.TLS}'/>`);
        await upgrade(fake, certificate);
        await fake.take(/<stream:stream[^>]*>/);
      },
    });
    return undefined;
  });
  return {
    url: `xmpp://127.0.0.1:${String(server.port)}`,
    get accepted() {
      return server.peers.length;
    },
    close: () => server.close(),
  };
}

async function startWebSocket(
  certificate: Certificate | undefined,
  run: (peer: HostilePeer) => void,
): Promise<HostileServer> {
  const server = certificate === undefined ? http.createServer() : https.createServer(certificate);
  const sockets = new WebSocketServer({ server, handleProtocols: () => "xmpp" });
  let dropped = false;
  let accepted = 0;
  server.on("connection", (socket: net.Socket) => {
    accepted++;
    if (dropped) socket.resetAndDestroy();
  });
  sockets.on("connection", (websocket: WebSocket, { socket }: http.IncomingMessage) => {
    const said = new Said();
    websocket.on("error", () => undefined);
    websocket.on("message", (data: Buffer) => {
      said.add(data.toString());
    });
    run({
      kind: "websocket",
      socket,
      take: said.take,
      open: () => {
        websocket.send(`<open xmlns='${NS.FRAMING}' from='example.test' id='s1' version='1.0'/>`);
      },
      say: (xml) => {
        websocket.send(xml.replace(/^<stream:(\w+)/, `<stream:$1 xmlns:stream='${NS.STREAM}'`));
      },
      drop() {
        dropped = true;
        socket.destroy();
      },
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `${certificate === undefined ? "ws" : "wss"}://127.0.0.1:${String(port)}/ws`,
    get accepted() {
      return accepted;
    },
    async close() {
      for (const websocket of sockets.clients) websocket.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** The one peer is the session. `say` answers the oldest waiting request, or the next one. */
async function startBosh(
  certificate: Certificate | undefined,
  run: (peer: HostilePeer) => void,
): Promise<HostileServer> {
  const said = new Said();
  const waiting: FakeBoshRequest[] = [];
  let onRequest: (() => void) | undefined;
  let pending: { content: string; attrs: string } | undefined;
  let flushing: NodeJS.Immediate | undefined;
  let begun = false;
  let opened = false;
  let dropped = false;
  let accepted = 0;

  // In the next turn, so that one answer has everything said in this turn.
  const flushSoon = (): void => {
    flushing ??= setImmediate(() => {
      flushing = undefined;
      const request = pending === undefined ? undefined : waiting.shift();
      if (request === undefined || pending === undefined) return;
      request.answer(pending.content, pending.attrs);
      pending = undefined;
    });
  };
  const put = (content: string, attrs: string): void => {
    pending = { content: (pending?.content ?? "") + content, attrs: (pending?.attrs ?? "") + attrs };
    flushSoon();
  };
  const peer: HostilePeer = {
    kind: "bosh",
    get socket() {
      return [...fake.sockets].at(-1) as net.Socket;
    },
    take: said.take,
    open: () => {
      put("", opened ? "" : SESSION);
      opened = true;
    },
    say: (xml) => {
      put(xml, "");
    },
    drop() {
      dropped = true;
      for (const socket of fake.sockets) socket.destroy();
    },
    async request() {
      while (waiting.length === 0) await new Promise<void>((resolve) => (onRequest = resolve));
      return waiting.shift() as FakeBoshRequest;
    },
  };
  const fake = await startFakeBosh((request) => {
    accepted++;
    if (dropped) {
      request.response.socket?.destroy();
      return;
    }
    request.response.on("close", () => {
      const at = waiting.indexOf(request);
      if (at >= 0) waiting.splice(at, 1);
    });
    waiting.push(request);
    const opens = request.attrs["sid"] === undefined || request.attrs["xmpp:restart"] === "true";
    said.add(opens ? "<open/>" : request.content);
    onRequest?.();
    if (pending !== undefined) flushSoon();
    if (begun) return;
    begun = true;
    run(peer);
  }, certificate);
  return {
    url: fake.url.href,
    get accepted() {
      return accepted;
    },
    close: () => fake.close(),
  };
}

/** Writes chunks as fast as a socket takes them, until it is closed or all are written. Resolves with their length. */
export async function pour(socket: net.Socket, totalBytes: number, chunk: string | Buffer): Promise<number> {
  const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
  let given = 0;
  while (given < totalBytes && !socket.destroyed && socket.writable) {
    given += bytes.length;
    if (socket.write(bytes)) continue;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off("drain", done).off("close", done);
        resolve();
      };
      socket.on("drain", done).on("close", done);
      if (socket.destroyed) done();
    });
  }
  return given;
}

/** Formats a body as a connection manager does. */
export const bodyOf = (content: string): string => formatBody({ "xmlns:stream": NS.STREAM }, content);

import { XmppError } from "../base/errors.js";
import { FRAMED_CLOSE, FramedParser } from "../transports/framing.js";
import * as NS from "../base/namespaces.js";
import { formatStreamError, toXmppError } from "../stanzas/stream-errors.js";
import { ParseError } from "../xml/parse-error.js";
import { StreamParser, type ParserLimits } from "../xml/stream-parser.js";
import type { TransportSocket } from "../transports/transport.js";
import type { Element } from "../xml/xml.js";
import type { XmppJsEntity } from "../xmpp-js/xmpp-js.js";

/** Takes an inbound top-level element and its length in characters. */
export type ElementRoute = (element: Element, chars: number) => void;

/**
 * One XMPP stream over one socket, from the first header to its end; never used twice. xmpp.js writes the headers;
 * what it does badly is replaced here.
 */
export interface Stream {
  readonly socket: TransportSocket;
  readonly entity: XmppJsEntity;
  /** Where elements go: negotiation first, the connection's handlers later. */
  route: ElementRoute;
  /** Called once, with why. */
  onEnd: ((reason: XmppError) => void) | undefined;
  readonly ended: boolean;
  /** What is being done: it tells what a socket's error means. */
  stage: "tls" | "stream";
  /** The last stream features; the server has sent those of a login, of a session, or none yet. */
  features: Element | undefined;
  write(text: string): void;
  /** Ends it at once; `condition` is told to the peer first (RFC 6120 §4.9). */
  fail(reason: XmppError, condition?: string): void;
  /** Reads nothing more of the stream so far; the next header begins anew. */
  discardInput(): void;
  /** Resolves when an ended stream has let go of its socket. */
  readonly released: Promise<void>;
  /** Closes the stream as RFC 6120 §4.4 asks, at the latest after so many ms. `reason` goes to `onEnd`. */
  close(reason: XmppError, withinMs: number): Promise<void>;
}

/** For last words to a peer that reads slowly, in ms. */
const LINGER_MS = 500;

export function createStream(entity: XmppJsEntity, socket: TransportSocket, limits: ParserLimits): Stream {
  const footer = socket.framed ? FRAMED_CLOSE : "</stream:stream>";
  let parser: StreamParser | undefined;
  let ended = false;
  let released = Promise.resolve();
  let onPeerClosed: (() => void) | undefined;

  const hangUp = (reason: XmppError, lastWords: string | undefined): void => {
    if (ended) return;
    ended = true;
    parser?.stop();
    if (lastWords === undefined) {
      socket.destroy();
    } else {
      socket.write(lastWords);
      released = socket.destroySoon(LINGER_MS);
    }
    onPeerClosed?.();
    stream.onEnd?.(reason);
  };

  const stream: Stream = {
    socket,
    entity,
    route: () => undefined,
    onEnd: undefined,
    features: undefined,
    stage: "stream",
    get ended() {
      return ended;
    },
    write(text) {
      if (!ended) socket.write(text);
    },
    discardInput: () => parser?.stop(),
    get released() {
      return released;
    },
    fail(reason, condition) {
      hangUp(reason, condition === undefined ? undefined : formatStreamError(condition) + footer);
    },
    async close(reason, withinMs) {
      if (ended) return;
      const peerClosed = new Promise<void>((resolve) => (onPeerClosed = resolve));
      const timer = setTimeout(() => onPeerClosed?.(), withinMs);
      socket.write(footer);
      await peerClosed;
      clearTimeout(timer);
      stream.fail(reason);
    },
  };

  // xmpp.js has its own loop without backoff, which also tries refused credentials for ever.
  entity.reconnect.stop();
  // Its waits get no timer of their own: the deadline to online covers them, and nothing is left running.
  entity.timeout = 0;
  entity.Parser = class extends (socket.framed ? FramedParser : StreamParser) {
    constructor() {
      super(limits);
      // One parser per stream header: what the peer sent before a restart is not read as what comes after.
      parser?.stop();
      // eslint-disable-next-line @typescript-eslint/no-this-alias
      parser = this;
    }
  };
  entity._onData = (text) => {
    try {
      parser?.write(text);
    } catch (error) {
      // Thrown on, it would leave the socket's data handler and end the process.
      stream.fail(
        toXmppError(error, "stream"),
        error instanceof ParseError ? error.condition : "internal-server-error",
      );
    }
  };
  entity._onElement = (element) => {
    if (element.is("features", NS.STREAM)) stream.features = element;
    stream.route(element, parser?.lastElementChars ?? 0);
  };
  const onError = (error: unknown): void => {
    stream.fail(toXmppError(error, stream.stage));
  };
  entity.on("error", onError);
  socket.on("error", onError);
  entity.on("close", () => {
    if (onPeerClosed !== undefined) return onPeerClosed();
    if (ended) return;
    hangUp(new XmppError("disconnected", "the server closed the stream"), footer);
  });
  socket.on("close", () => {
    stream.fail(new XmppError("disconnected", "the connection was closed"));
  });
  entity._attachSocket(socket);
  return stream;
}

/** What a way of connecting gives when its stream can be used. */
export interface Established {
  readonly stream: Stream;
  readonly jid: string;
  readonly resumed: boolean;
  /** Written before anything else: what a resumed session must send again, or what begins a new one. */
  readonly first: string;
}

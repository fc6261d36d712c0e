import { XmppError } from "../base/errors.js";
import { FRAMED_CLOSE, FramedParser } from "../transports/framing.js";
import * as NS from "../base/namespaces.js";
import { formatStreamError, toXmppError } from "../stanzas/stream-errors.js";
import { ParseError } from "../xml/parse-error.js";
import { StreamParser, type ParserLimits } from "../xml/stream-parser.js";
import type { TransportSocket } from "../transports/transport.js";
import type { Element } from "../xml/xml.js";
import type { XmppJsEntity } from "../xmpp-js/xmpp-js.js";

/** Receives an inbound top-level element and its length in characters. */
export type ElementRoute = (element: Element, chars: number) => void;

/**
 * One XMPP stream over one socket, from the first header to its end. It is never used twice. xmpp.js writes the
 * headers; this module replaces the parts that xmpp.js does badly.
 */
export interface Stream {
  readonly socket: TransportSocket;
  readonly entity: XmppJsEntity;
  /** Receives all elements: first the negotiation, then the connection's handlers. */
  route: ElementRoute;
  /** Called once, with the reason. */
  onEnd: ((reason: XmppError) => void) | undefined;
  readonly ended: boolean;
  /** Step of the connection, which decides the meaning of a socket's error. */
  stage: "tls" | "stream";
  /** The newest stream features; undefined before the first. */
  features: Element | undefined;
  write(text: string): void;
  /** Ends the stream at once. With `condition`, it first sends the peer a stream error (RFC 6120 §4.9). */
  fail(reason: XmppError, condition?: string): void;
  /** Drops all further input before the next header. */
  discardInput(): void;
  /** Resolves when an ended stream has released its socket. */
  readonly released: Promise<void>;
  /** Closes the stream as RFC 6120 §4.4 asks, after `withinMs` at the latest. `onEnd` receives `reason`. */
  close(reason: XmppError, withinMs: number): Promise<void>;
}

/** Time in which a slow peer may read the last text, such as a stream error, in ms. */
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

  // xmpp.js reconnects in a loop without backoff. The loop repeats even refused credentials for ever.
  entity.reconnect.stop();
  // Waits of xmpp.js have no timer: the deadline of the whole attempt covers them. So no timer is left running.
  entity.timeout = 0;
  entity.Parser = class extends (socket.framed ? FramedParser : StreamParser) {
    constructor() {
      super(limits);
      // One parser for each stream header, so that text from before a restart is not read as text after it.
      parser?.stop();
      // eslint-disable-next-line @typescript-eslint/no-this-alias
      parser = this;
    }
  };
  entity._onData = (text) => {
    try {
      parser?.write(text);
    } catch (error) {
      // An error thrown from the socket's data handler would end the process.
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

/** A stream that is ready for stanzas. */
export interface Established {
  readonly stream: Stream;
  readonly jid: string;
  readonly resumed: boolean;
  /** Text to write before anything else: what a resumed session must send again, or the beginning of a new session. */
  readonly first: string;
}

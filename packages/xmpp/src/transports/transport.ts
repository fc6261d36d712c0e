import type { EventEmitter } from "@xmpp/events";
import type { ByteSource } from "./byte-meter.js";
import type { TlsOptions } from "./stream-socket.node.js";

/** RFC 6120, RFC 7395, XEP-0206. */
export type TransportKind = "tcp" | "websocket" | "bosh";

/**
 * What carries one XMPP stream, with the events that xmpp.js expects of a socket: `data` with text, `drain`, `error`
 * with an `Error` (an `XmppError` where the transport knows better), `close` at last.
 */
export interface TransportSocket extends EventEmitter, ByteSource {
  readonly kind: TransportKind;
  /** Nobody on the way can read it: TLS, or it does not leave this machine. */
  readonly secure: boolean;
  /**
   * Each `data` holds whole elements, and the stream is opened and closed as RFC 7395 says. Without: a stream of
   * characters with RFC 6120's header.
   */
  readonly framed: boolean;
  /** Bytes written that have not left. */
  readonly waitingBytes: number;
  /** `done` is called when the text is in the transport's hands. */
  write(text: string, done?: (error?: Error | null) => void): boolean;
  /** Turns to TLS on the way (RFC 6120 §5), where the transport can. */
  startTls?(options: TlsOptions): Promise<void>;
  /** XEP-0138 is at work in both directions. */
  readonly compressed?: boolean;
  /** Compresses from now on, where the transport can. */
  startCompression?(): void;
  /** XEP-0124 §10: asks for no traffic for so many ms; false where that is impossible. */
  pause?(forMs: number): boolean;
  /** xmpp.js calls it to hang up. */
  end(): void;
  /** Hangs up once what was written has left, at the latest after so many ms. */
  destroySoon(withinMs: number): Promise<void>;
  destroy(): void;
}

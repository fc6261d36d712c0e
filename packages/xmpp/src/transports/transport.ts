import type { EventEmitter } from "@xmpp/events";
import type { ByteSource } from "./byte-meter.js";
import type { TlsOptions } from "./stream-socket.node.js";

/** RFC 6120, RFC 7395, XEP-0206. */
export type TransportKind = "tcp" | "websocket" | "bosh";

/**
 * Carries one XMPP stream, with the events that xmpp.js expects of a socket: `data` with text, `drain`, `error`, and
 * `close` at the end. `error` has an `Error`, or an `XmppError` when the transport knows the cause.
 */
export interface TransportSocket extends EventEmitter, ByteSource {
  readonly kind: TransportKind;
  /** Nobody between the two ends can read the stream: it uses TLS, or does not leave this machine. */
  readonly secure: boolean;
  /**
   * True: each `data` holds whole elements, and the stream begins and ends as RFC 7395 says. False: a stream of
   * characters with RFC 6120's header.
   */
  readonly framed: boolean;
  /** Bytes that are written and not sent yet. */
  readonly waitingBytes: number;
  /**
   * Sends text. Calls `done` when the transport below has taken the text, or with an error. Returns false when the text
   * waits, and when the transport is closed.
   */
  write(text: string, done?: (error?: Error | null) => void): boolean;
  /** Changes the connection to TLS (RFC 6120 §5). Absent when the transport cannot. */
  startTls?(options: TlsOptions): Promise<void>;
  /** XEP-0138 compresses both directions. */
  readonly compressed?: boolean;
  /** Compresses the stream from now on. Absent when the transport cannot. */
  startCompression?(): void;
  /** XEP-0124 §10: asks the server for a pause of `forMs`. Returns false when that is impossible. */
  pause?(forMs: number): boolean;
  /** xmpp.js calls `end` to close the connection. */
  end(): void;
  /** Closes the connection once everything written is sent, or after `withinMs` at the latest. */
  destroySoon(withinMs: number): Promise<void>;
  destroy(): void;
}

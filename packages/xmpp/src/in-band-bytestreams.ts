import type { StanzaError } from "./errors.js";

/** Why a bytestream ended; `error` when it was not a clean close by either side. */
export interface BytestreamEnd {
  readonly by: "local" | "peer" | "transport";
  readonly error?: StanzaError;
}

export interface OpenRequest {
  readonly from: string;
  readonly to: string;
  readonly sid: string;
  readonly blockSizeBytes: number;
  readonly stanza: "message" | "iq";
}

/** One bytestream, message mode: `type='headline'` stanzas with one `<data/>` each. */
export interface Bytestream {
  readonly peer: string;
  readonly sid: string;
  /** Largest block, in bytes before base64; agreed at open. */
  readonly blockSizeBytes: number;
  readonly state: "open" | "closed";
  /** The text of the next data stanza around ready base64; takes the next `seq`. The caller writes it, in order, or closes the stream. */
  stanza(base64: string): string;
  /** Called once per block, in order. A handler that throws closes the stream. */
  onBlock: ((block: Uint8Array, info: { readonly stanzaChars: number }) => void) | undefined;
  /** Called once. */
  onEnd: ((end: BytestreamEnd) => void) | undefined;
  /** `<close/>`, answered or timed out. Idempotent. */
  close(): Promise<void>;
  /** Ends it here without a word to the peer: its full JID is gone, or it opened a newer one. */
  abandon(end: BytestreamEnd): void;
}

export interface BytestreamOptions {
  /** Largest block accepted and offered, in bytes. Default and most 65,535 (XEP-0047 §2.1). */
  readonly maxBlockSizeBytes?: number;
  /** Most bytestreams open at once; further opens get `resource-constraint`. Default 100,000. */
  readonly maxStreams?: number;
  /** How long a sid of one full JID is refused after use, in ms. Default one hour: servers may resend old stanzas. */
  readonly sidReuseMs?: number;
}

/** The In-Band Bytestreams (XEP-0047) of one connection. */
export interface InBandBytestreams {
  /** Decides on opens; throw `StanzaError` to refuse (default: `not-acceptable`). Runs before the answer is sent. */
  onOpen: ((request: OpenRequest) => void) | undefined;
  /** An accepted stream, after the answer was sent. */
  onStream: ((stream: Bytestream) => void) | undefined;
  open(
    peer: string,
    options?: { sid?: string; blockSizeBytes?: number; timeoutMs?: number; signal?: AbortSignal },
  ): Promise<Bytestream>;
  /**
   * A message error that names no stream of ours: it proves nothing, the caller may probe (XEP-0199). Errors with the
   * id or the sid of a stream end it, except those of type `wait`, which come here too: the peer may be back soon.
   */
  onError: ((from: string, error: StanzaError) => void) | undefined;
  /** Abandons every stream and takes its handlers off the connection. */
  dispose(): void;
}

import type { StanzaError } from "../base/errors.js";
import type { Connection } from "../connection/connection.js";
import type { BytestreamSender, SenderHost } from "./bytestream-sender.js";
import type { Bytestream, BytestreamEnd } from "./in-band-bytestreams.js";

/** A bytestream with the methods that only its manager calls. */
export interface ManagedBytestream extends Bytestream {
  /** Call with the block size that the peer accepted. */
  agree(blockSizeBytes: number): void;
  /** Receives one `<data/>`. Returns the error with which to answer when it cannot be processed. */
  onData(
    seq: string | undefined,
    base64: string,
    stanzaChars: number,
    kind: "message" | "iq",
  ): StanzaError | undefined;
  /** Receives the id of a lean stanza. Returns the error with which to answer when it cannot be processed. */
  onLean(id: string, stanzaChars: number): StanzaError | undefined;
  /**
   * Data could not be delivered. Returns false when the stream cannot send again. `attempt` is undefined when unknown.
   */
  onBounce(error: StanzaError, seq: number | undefined, attempt: number | undefined): boolean;
  /** The peer closes. The stream answers and ends when its waiting blocks are sent. */
  onPeerClose(answer: () => void): void;
  /** The connection can be written to again. */
  pump(): void;
  /** Ends the stream here, and sends the peer nothing. */
  end(end: BytestreamEnd): void;
  /** Ends the stream here, and sends the peer a `<close/>`. */
  endAndClose(end: BytestreamEnd): void;
}

/** Makes the part that `write` needs, beginning with `firstSeq`. */
export type SenderFactory = (host: SenderHost, firstSeq: number) => BytestreamSender;

/** The parts that all streams of a manager share. */
export interface BytestreamHost {
  readonly connection: Connection;
  /** Undefined: `write` throws `TypeError`. */
  readonly createSender: SenderFactory | undefined;
  /** Whether one more close may wait for its answer. */
  mayAwaitClose(): boolean;
  /** Returns a tag that no stream with this peer had within the hour; undefined when none is left. */
  findTag(peer: string): number | undefined;
  /** The stream has a tag from now on. */
  onTag(stream: ManagedBytestream): void;
  /** The first `write` of a stream. From now on the manager calls its `pump`. */
  onWrites(stream: ManagedBytestream): void;
  /** The stream is closed and receives no more data. `closing` is pending until our close is answered. */
  onGone(stream: ManagedBytestream, closing: Promise<void> | undefined): void;
}

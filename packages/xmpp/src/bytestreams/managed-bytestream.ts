import type { StanzaError } from "../base/errors.js";
import type { Connection } from "../connection/connection.js";
import type { BytestreamSender, SenderHost } from "./bytestream-sender.js";
import type { Bytestream, BytestreamEnd } from "./in-band-bytestreams.js";

/** A bytestream with the side of it that its manager drives. */
export interface ManagedBytestream extends Bytestream {
  /** The peer agreed to smaller blocks than were offered first. */
  agree(blockSizeBytes: number): void;
  /** Takes one `<data/>`; gives the error to answer with when it cannot be processed. */
  onData(
    seq: string | undefined,
    base64: string,
    stanzaChars: number,
    kind: "message" | "iq",
  ): StanzaError | undefined;
  /** Takes the id of a lean stanza; gives the error to answer with when it cannot be processed. */
  onLean(id: string, stanzaChars: number): StanzaError | undefined;
  /** Data could not be delivered; false when that cannot be mended here. `attempt`: undefined when unknown. */
  onBounce(error: StanzaError, seq: number | undefined, attempt: number | undefined): boolean;
  /** The peer closes: answers and ends when what waited here has gone. */
  onPeerClose(answer: () => void): void;
  /** The connection can be written to again. */
  pump(): void;
  /** Ends it here, without a word to the peer. */
  end(end: BytestreamEnd): void;
  /** Ends it here and tells the peer. */
  endAndClose(end: BytestreamEnd): void;
}

/** Makes what `write` needs, beginning with a `seq`. */
export type SenderFactory = (host: SenderHost, firstSeq: number) => BytestreamSender;

/** What all streams of a manager share. */
export interface BytestreamHost {
  readonly connection: Connection;
  /** Without, `write` is not to be used. */
  readonly createSender: SenderFactory | undefined;
  /** Whether one more close may wait for its answer. */
  mayAwaitClose(): boolean;
  /** A tag that no stream with this peer had within the hour; undefined: there is none left. */
  findTag(peer: string): number | undefined;
  /** The stream has a tag from now on. */
  onTag(stream: ManagedBytestream): void;
  /** The first `write`: from now on it wants `pump`. */
  onWrites(stream: ManagedBytestream): void;
  /** It is closed now, and takes no more data; `closing` while a close of ours is unanswered. */
  onGone(stream: ManagedBytestream, closing: Promise<void> | undefined): void;
}

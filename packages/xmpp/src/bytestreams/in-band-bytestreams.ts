import { createBytestreamSender, DEFAULT_SEND_POLICY } from "./bytestream-sender.js";
import { createStanzaBytestreams } from "./bytestreams.js";
import type { Connection } from "../connection/connection.js";
import type { StanzaError } from "../base/errors.js";
import type { LeanBody } from "./lean-stanzas.js";

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

/**
 * `suspended`: blocks could not be delivered for now, what is written waits (XEP-0047 §2.2). `closing`: either side closes, what
 * waits still goes, and comes, but nothing new is taken.
 */
export type BytestreamState = "open" | "suspended" | "closing" | "closed";

/** What came besides the bytes of a block. */
export interface BlockInfo {
  /** Length of its stanza, in characters. */
  readonly stanzaChars: number;
  /** The label of a lean stanza with one body; undefined: a block as the agreed format has it. */
  readonly label: number | undefined;
  /** It came as a lean stanza. */
  readonly lean: boolean;
}

/** One block to send. */
export interface OutBlock {
  /** Base64 in groups of four, without `=`. */
  readonly base64: string;
  /** How many of its last bytes are padding, which a lean stanza leaves out: 0, 1 or 2. */
  readonly pad: number;
  /** The same block as a body with a label, where it is one. */
  readonly body: LeanBody | undefined;
  /** Label of that body; else not looked at. */
  readonly label: number;
}

/**
 * One bytestream. Data is sent in one of two ways, not both on one stream: `write` keeps order, waits, sends again and
 * flushes in either mode; `stanza` and `blockStanza` only make the text, for who has flow control of his own.
 */
export interface Bytestream {
  readonly peer: string;
  readonly sid: string;
  /** How data is sent, as the open said: one `<data/>` in each headline message, or in each iq. Both are understood. */
  readonly mode: "message" | "iq";
  /** Largest block, in bytes before base64; agreed at open. */
  readonly blockSizeBytes: number;
  readonly state: BytestreamState;
  /**
   * Sends one block of ready base64 in its turn. False: not taken, since too much waits (`onDrain` tells when it does not) or
   * since it is closing. Throws `RangeError` when it is no block of at most `blockSizeBytes`.
   */
  write(base64: string): boolean;
  /**
   * Message mode: the text of the next data stanza around ready base64; takes the next `seq`. The caller writes it, in order, or
   * closes the stream. Its size is the caller's care, and what comes back from a peer that is gone is not sent again.
   */
  stanza(base64: string): string;
  /**
   * The same, as a lean stanza (docs/reference/protocol.md) where `leanChars` and the tag allow it and no more than 2,047 stanzas are `outstanding`;
   * otherwise as a block of XEP-0047.
   */
  blockStanza(block: OutBlock): string;
  /** Longest id of a lean stanza that may be sent now, in characters. Default 0: none may. */
  leanChars: number;
  /** A block was sent by XEP-0047 since `leanChars` is too small for it. Whoever can make it larger sets this back. */
  wantsLonger: boolean;
  /** What stands for the `sid` in lean stanzas, both ways: 0 to 63. Undefined: none is sent, and none is taken. */
  readonly tag: number | undefined;
  /** Gives the stream a tag that no stream with this full JID had within the hour. Undefined: all are used. A second call gives the same. */
  takeTag(): number | undefined;
  /** The tag that the peer gave. */
  setTag(tag: number): void;
  /** The text of a probe of so many characters of id: it takes no `seq`, so that it may get lost. Throws `TypeError` without a tag. */
  probeStanza(chars: number): string;
  /** A probe of so many characters came as it was sent. */
  onProbe: ((chars: number) => void) | undefined;
  /** Data stanzas made by `stanza` and `blockStanza` so far. */
  readonly sentCount: number;
  /** How many of them are not known to have arrived. */
  readonly outstanding: number;
  /** The first so many are known to have arrived. */
  confirm(sentCount: number): void;
  /** Called once per block, in order. A handler that throws closes the stream. */
  onBlock: ((block: Uint8Array, info: BlockInfo) => void) | undefined;
  /** `write` takes blocks again after it refused one. */
  onDrain: (() => void) | undefined;
  /** The state changed, except to `closed`, which `onEnd` tells. When the peer closes, what is written in it still goes. */
  onState: ((state: BytestreamState) => void) | undefined;
  /**
   * Called at most once, before `<close/>` is sent since something went wrong: `end.error` says what. `stanza` still makes a last data
   * stanza, for a word to the peer about the reason. The handler may end the stream itself.
   */
  onFault: ((end: BytestreamEnd & { readonly error: StanzaError }) => void) | undefined;
  /** Called once. */
  onEnd: ((end: BytestreamEnd) => void) | undefined;
  /**
   * Sends what waits, then `<close/>`; resolves when it is answered, or at the latest after the flush's and its own deadline.
   * Idempotent. Gives how the stream ended: with an `error` (`remote-server-timeout`) when not all was delivered in time.
   */
  close(): Promise<BytestreamEnd>;
  /**
   * The peer has said, in its data, that it closes. Nothing is written any more; its `<close/>` is waited for and answered. Sends one
   * where none comes within `withinMs`.
   */
  expectClose(withinMs: number): void;
  /** Ends it here without a word to the peer: its full JID is gone. */
  abandon(end: BytestreamEnd): void;
}

/** How `write` sends. */
export interface SendPolicy {
  /** iq mode: most blocks out unanswered. Default 1, as XEP-0047 §2.2 recommends: servers throttle those who do not wait. */
  readonly windowBlocks: number;
  /** iq mode: deadline of an answer, in ms; then the stream ends. Default 30,000. */
  readonly answerMs: number;
  /** Most blocks that wait, and in message mode most that are kept in case they come back. Default 256. */
  readonly maxWaitingBlocks: number;
  /** Most characters of base64 that they may have. Default 1,398,104: 1 MiB of data. */
  readonly maxWaitingChars: number;
  /** First pause of a suspended stream, in ms; doubles up to 10 s with each failure. Default 1,000. */
  readonly retryMs: number;
  /** How long deliveries may go on failing until the stream ends, in ms. Default 60,000. */
  readonly maxSuspendedMs: number;
  /**
   * How long a close waits for what waits, in ms; then the end has an error. Default 8,000: within the ten seconds a peer
   * waits for the answer to its close.
   */
  readonly flushMs: number;
}

export interface BytestreamOptions {
  /** Largest block accepted and offered, in bytes. Default and most 65,535 (XEP-0047 §2.1). */
  readonly maxBlockSizeBytes?: number;
  /** Most bytestreams open at once; further opens get `resource-constraint`. Default 100,000. */
  readonly maxStreams?: number;
  /** How long a sid is not used again with the same full JID, in ms. Default one hour: servers may resend old stanzas. */
  readonly sidReuseMs?: number;
  readonly sending?: Partial<SendPolicy>;
}

export interface OpenOptions {
  /** Default: four random characters. Throws `not-acceptable` when it was used with this peer within the hour. */
  readonly sid?: string;
  /** Offered first; the peer may want less. Default: the largest. */
  readonly blockSizeBytes?: number;
  /** How data is to be sent, both ways. Default `message`. */
  readonly stanza?: "message" | "iq";
  /** Deadline of the open, all sizes tried included, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The In-Band Bytestreams (XEP-0047) of one connection. */
export interface InBandBytestreams {
  /** Decides on opens; throw `StanzaError` to refuse (default: `not-acceptable`). Runs before the answer is sent. */
  onOpen: ((request: OpenRequest) => void) | undefined;
  /** An accepted stream, after the answer was sent. */
  onStream: ((stream: Bytestream) => void) | undefined;
  /**
   * Opens one. Rejects with `StanzaError`: `service-unavailable` or `feature-not-implemented` where the peer has no In-Band
   * Bytestreams, `not-acceptable` where it wants none.
   */
  open(peer: string, options?: OpenOptions): Promise<Bytestream>;
  /** What is held now, for tests and meters: streams, those whose close is unanswered, and sids used within the hour. */
  counts(): { readonly open: number; readonly closing: number; readonly usedSids: number };
  /**
   * A message error that names no stream of ours: it proves nothing, the caller may probe (XEP-0199). Errors with the
   * sid of a stream end it, except those of delivery: they suspend a stream that is written to by `write`, and come here
   * for one that uses `stanza`, since the peer may be back soon.
   */
  onError: ((from: string, error: StanzaError) => void) | undefined;
  /**
   * A stanza that was refused or ignored because it names no stream with its sender, or repeats a block: of an earlier session,
   * sent again, or about somebody else's stream. For counting.
   */
  onStray: ((from: string) => void) | undefined;
  /** Abandons every stream and takes its handlers off the connection. */
  dispose(): void;
}

/** The In-Band Bytestreams of one connection. Takes data stanzas before any other handler that comes later. */
export function createInBandBytestreams(
  connection: Connection,
  options: BytestreamOptions = {},
): InBandBytestreams {
  const policy = { ...DEFAULT_SEND_POLICY, ...options.sending };
  return createStanzaBytestreams(connection, options, (host, firstSeq) =>
    createBytestreamSender(host, firstSeq, policy),
  );
}

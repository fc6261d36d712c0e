import { createBytestreamSender, DEFAULT_SEND_POLICY } from "./bytestream-sender.js";
import { createStanzaBytestreams } from "./bytestreams.js";
import type { Connection } from "../connection/connection.js";
import type { StanzaError } from "../base/errors.js";
import type { LeanBody } from "./lean-stanzas.js";

/** Why a bytestream ended. `error` is set unless one side closed it cleanly. */
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
 * `suspended`: blocks cannot be delivered for now, and written blocks wait (XEP-0047 §2.2). `closing`: one side
 * closes. Waiting blocks of both sides are still sent and received, but `write` accepts no new ones.
 */
export type BytestreamState = "open" | "suspended" | "closing" | "closed";

/** Facts about a received block. */
export interface BlockInfo {
  /** Length of its stanza, in characters. */
  readonly stanzaChars: number;
  /** The label of a lean stanza with one body. Undefined: a block in the agreed format. */
  readonly label: number | undefined;
  /** The block arrived as a lean stanza. */
  readonly lean: boolean;
}

/** One block to send. */
export interface OutBlock {
  /** Base64 in groups of four, without `=`. */
  readonly base64: string;
  /** Number of padding bytes at its end, which a lean stanza leaves out: 0, 1 or 2. */
  readonly pad: number;
  /** The same block as one body with a label. Undefined when it is not one body. */
  readonly body: LeanBody | undefined;
  /** Label of that body. Not used without a body. */
  readonly label: number;
}

/**
 * One bytestream. There are two ways to send, and one stream uses only one of them. `write` keeps the order, waits,
 * sends again and flushes, in either mode. `stanza` and `blockStanza` only make the text, for callers with a flow
 * control of their own.
 */
export interface Bytestream {
  readonly peer: string;
  readonly sid: string;
  /**
   * How data is sent, as the open said: one `<data/>` in each headline message, or in each iq. The stream receives
   * both.
   */
  readonly mode: "message" | "iq";
  /** Largest block, in bytes before base64; agreed at open. */
  readonly blockSizeBytes: number;
  readonly state: BytestreamState;
  /**
   * Sends one block of ready base64 after the blocks before it. Returns false, and does not send the block, when too
   * much waits or the stream is closing. `onDrain` follows when there is room. Throws `RangeError` unless `base64` is a
   * block of at most `blockSizeBytes`.
   */
  write(base64: string): boolean;
  /**
   * Message mode: makes the text of the next data stanza around ready base64, with the next `seq`. The caller sends the
   * text, in order, or closes the stream. The caller checks the size of the block. A stanza that returns from an absent
   * peer is not sent again. Throws `TypeError` in iq mode, and after `write`.
   */
  stanza(base64: string): string;
  /**
   * As `stanza`. Makes a lean stanza (docs/reference/protocol.md) when `leanChars` and the tag allow it, and fewer than
   * 2,047 stanzas are `outstanding`. Otherwise it makes a block of XEP-0047.
   */
  blockStanza(block: OutBlock): string;
  /** Longest id of a lean stanza that may be sent now, in characters. Default 0: no lean stanza may be sent. */
  leanChars: number;
  /**
   * A block was sent by XEP-0047, because `leanChars` is too small for it. The caller that raises `leanChars` resets
   * it.
   */
  wantsLonger: boolean;
  /**
   * Number that stands for the `sid` in lean stanzas of both directions: 0 to 63. Undefined: lean stanzas are neither
   * sent nor received.
   */
  readonly tag: number | undefined;
  /**
   * Gives the stream a tag that no stream with this full JID had within the hour, and returns it. A second call returns
   * the same tag. Returns undefined when all tags are used.
   */
  takeTag(): number | undefined;
  /** Sets the tag that the peer gave. */
  setTag(tag: number): void;
  /**
   * Makes a probe whose id has `chars` characters. A probe takes no `seq`, so it may get lost. Throws `TypeError`
   * without a tag.
   */
  probeStanza(chars: number): string;
  /** A probe whose id has `chars` characters arrived unchanged. */
  onProbe: ((chars: number) => void) | undefined;
  /** Data stanzas made by `stanza` and `blockStanza` so far. */
  readonly sentCount: number;
  /** Number of these stanzas that are not known to have arrived. */
  readonly outstanding: number;
  /** Call when the first `sentCount` of these stanzas are known to have arrived. */
  confirm(sentCount: number): void;
  /** Called once per block, in order. A handler that throws closes the stream. */
  onBlock: ((block: Uint8Array, info: BlockInfo) => void) | undefined;
  /** `write` accepts blocks again after it refused one. */
  onDrain: (() => void) | undefined;
  /**
   * The state changed. `onEnd` reports `closed` instead. When the peer closes, blocks that this handler writes are
   * still sent.
   */
  onState: ((state: BytestreamState) => void) | undefined;
  /**
   * Called at most once, before a fault makes the stream send `<close/>`. `end.error` is the fault. `stanza` still
   * makes a last data stanza, which may tell the peer the reason. The handler may end the stream itself.
   */
  onFault: ((end: BytestreamEnd & { readonly error: StanzaError }) => void) | undefined;
  /** Called once. */
  onEnd: ((end: BytestreamEnd) => void) | undefined;
  /**
   * Sends the waiting blocks, then `<close/>`. Resolves when the `<close/>` is answered, or after the deadlines of the
   * flush and of the answer. Returns how the stream ended, with an `error` (`remote-server-timeout`) when some blocks
   * were not delivered in time. Idempotent.
   */
  close(): Promise<BytestreamEnd>;
  /**
   * Call when the peer has said, in its data, that it closes. The stream accepts no more blocks. It waits for the
   * peer's `<close/>` and answers it. If none arrives within `withinMs`, the stream sends its own.
   */
  expectClose(withinMs: number): void;
  /** Ends the stream here and sends the peer nothing, because the peer's full JID is gone. */
  abandon(end: BytestreamEnd): void;
}

/** How `write` sends. */
export interface SendPolicy {
  /**
   * iq mode: most blocks sent and not answered. Default 1, as XEP-0047 §2.2 recommends: servers throttle senders that
   * do not wait.
   */
  readonly windowBlocks: number;
  /** iq mode: deadline of an answer, in ms. After it the stream ends. Default 30,000. */
  readonly answerMs: number;
  /** Most blocks that wait. In message mode also the most sent blocks that are kept to be sent again. Default 256. */
  readonly maxWaitingBlocks: number;
  /** Most characters of base64 in these blocks. Default 1,398,104: 1 MiB of data. */
  readonly maxWaitingChars: number;
  /** First pause of a suspended stream, in ms. It doubles with each failure, up to 10 s. Default 1,000. */
  readonly retryMs: number;
  /** Longest time for which deliveries may fail before the stream ends, in ms. Default 60,000. */
  readonly maxSuspendedMs: number;
  /**
   * Longest time that a close waits for waiting blocks, in ms. After it the end has an error. Default 8,000: less than
   * the ten seconds for which a peer waits for the answer to its close.
   */
  readonly flushMs: number;
}

export interface BytestreamOptions {
  /** Largest block accepted and offered, in bytes. Default and most 65,535 (XEP-0047 §2.1). */
  readonly maxBlockSizeBytes?: number;
  /** Most bytestreams open at once. Further opens receive `resource-constraint`. Default 100,000. */
  readonly maxStreams?: number;
  /**
   * Time in which a sid is not used again with the same full JID, in ms. Default one hour: servers may resend stanzas.
   */
  readonly sidReuseMs?: number;
  readonly sending?: Partial<SendPolicy>;
}

export interface OpenOptions {
  /**
   * Default: four random characters. `open` rejects with `not-acceptable` when the peer had this sid within the hour.
   */
  readonly sid?: string;
  /** Block size of the first offer, in bytes. The peer may want less. Default: the largest. */
  readonly blockSizeBytes?: number;
  /** How data is sent, in both directions. Default `message`. */
  readonly stanza?: "message" | "iq";
  /** Deadline of the open with all its offers, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The In-Band Bytestreams (XEP-0047) of one connection. */
export interface InBandBytestreams {
  /**
   * Decides on opens, before the answer is sent. Throws `StanzaError` to refuse. Without a handler, opens receive
   * `not-acceptable`.
   */
  onOpen: ((request: OpenRequest) => void) | undefined;
  /** Receives each accepted stream, after the answer was sent. */
  onStream: ((stream: Bytestream) => void) | undefined;
  /**
   * Opens a bytestream. Rejects with `StanzaError`: `service-unavailable` or `feature-not-implemented` when the peer
   * has no In-Band Bytestreams, `not-acceptable` when it refuses. Rejects with `XmppError` when no answer arrives.
   */
  open(peer: string, options?: OpenOptions): Promise<Bytestream>;
  /** Numbers for tests and meters: open streams, streams whose close is unanswered, and sids used within the hour. */
  counts(): { readonly open: number; readonly closing: number; readonly usedSids: number };
  /**
   * Receives message errors that name no stream of ours. Such an error proves nothing; the caller may ping the peer
   * (XEP-0199). An error with the sid of a stream ends that stream, except an error of delivery. An error of delivery
   * suspends a stream that uses `write`. For a stream that uses `stanza` it is passed to this handler, since the peer
   * may be back soon.
   */
  onError: ((from: string, error: StanzaError) => void) | undefined;
  /**
   * Called for each stanza that was refused or ignored because it names no stream with its sender, or repeats a block.
   * It may be of an earlier session, sent again, or about another peer's stream. For counting.
   */
  onStray: ((from: string) => void) | undefined;
  /** Ends every stream, and removes all handlers from the connection. Sends nothing. */
  dispose(): void;
}

/** The In-Band Bytestreams of one connection. Receives data stanzas before handlers that are added later. */
export function createInBandBytestreams(
  connection: Connection,
  options: BytestreamOptions = {},
): InBandBytestreams {
  const policy = { ...DEFAULT_SEND_POLICY, ...options.sending };
  return createStanzaBytestreams(connection, options, (host, firstSeq) =>
    createBytestreamSender(host, firstSeq, policy),
  );
}

// Over 400 lines: the closed set of frames, which is read side by side with the table of the protocol.
import type { ErrorCode } from "../base/errors.js";
import type { ServiceKind } from "../options/service.js";

/**
 * One body of a chain.
 *
 * - `key` begins a chain. It needs no body before it.
 * - `map` does the same. The rows of its chain are updates of a map, which are coded key by key.
 * - `chained` continues from the body before, which implies its position.
 * - `wide` continues too. It also has its chain, its position and a check of all bodies since the key.
 */
export type ChainBody =
  | { readonly form: "chained"; readonly payload: Uint8Array }
  | {
      readonly form: "wide";
      readonly chain: number;
      readonly epoch: number;
      readonly from: number;
      readonly check: number;
      readonly payload: Uint8Array;
    }
  | {
      readonly form: "key" | "map";
      readonly chain: number;
      readonly epoch: number;
      readonly from: number;
      readonly payload: Uint8Array;
    };

/** Protocol version of HELLO. */
export const PROTOCOL_VERSION = 1;

/** First element of every frame: its type. docs/reference/protocol.md reserves the numbers that have no codec here. */
export const FRAME = {
  HELLO: 1,
  BIND: 2,
  SUBSCRIBE: 3,
  ACK: 4,
  CREDIT: 5,
  DEMAND: 6,
  STATUS: 7,
  CALL: 8,
  RESULT: 9,
  DIGEST: 10,
  REPAIR: 11,
  RESUME: 12,
  TIME: 13,
  ERROR: 14,
  BYE: 15,
  /** DATA has one number for each form of payload, so that the form takes no byte of its own. */
  DATA_ROWS: 16,
  DATA_DEFLATED: 17,
  /** DATA of the columnar codec. A chained body has no elements but its alias and its payload. */
  CODED_CHAINED: 18,
  CODED_WIDE: 19,
  CODED_KEY: 20,
  CODED_INDEPENDENT: 21,
  /** 22 is kept for a further form of DATA. */
  CODED_MAP: 23,
  /** Entries of a map, for a subscriber that begins or catches up. */
  SNAPSHOT: 24,
  /** Changes of subscriptions, and the answers to all requests by frame. */
  CHANGE: 25,
  GRANT: 26,
  REFUSED: 27,
  DONE: 28,
  /** Agreement on the kind of stanza that carries blocks. */
  ENVELOPE: 29,
  KEPT: 30,
  NODES: 31,
} as const;

/** Largest alias. When all aliases of a link are used up, the client opens a new link for more. */
export const MAX_ALIAS = 65_535;

/** Whether the XMPP stream of a hop is itself compressed. This decides which form of payload is smallest. */
export type HopClass = "plain" | "compressed";

export interface HelloFrame {
  readonly type: "hello";
  readonly version: number;
  /** Largest block that the sender accepts, in bytes. A component sends no larger one. 0: no limit known. */
  readonly maxBlockBytes: number;
  readonly maxInflatedBytes: number;
  /** XEP-0478 `max-bytes` of the sender's stream. */
  readonly maxStanzaBytes: number;
  readonly codecs: readonly Codec[];
  readonly hop: HopClass;
  /** Single-use resume token. The component sends it; a client sends null. */
  readonly token: Uint8Array | null;
  /**
   * Capability 1, lean stanzas; null: not listed. `tag`: the tag that the component gives the link; null from a client.
   */
  readonly lean: { readonly tag: number | null } | null;
  /** Capability 3: the component sends KEPT, and the client waits for KEPT. Absent: not listed. */
  readonly kept?: true;
  /** Capability 4: the sender knows services of kind `map`, and reads SNAPSHOT. Absent: not listed. */
  readonly maps?: true;
  /** Capability 5: the sender reads CALL and RESULT. Absent: not listed. */
  readonly calls?: true;
  /** Capability 6: the sender knows DIGEST and REPAIR. Absent: not listed. */
  readonly digests?: true;
  /**
   * Capability 7: the other nodes of the component, and that the client reads NODES. Null: nil, as a client lists it.
   * Absent: not listed.
   */
  readonly siblings?: readonly Sibling[] | null;
}

/** Another node of the component. */
export interface Sibling {
  /** Domain of the node. */
  readonly domain: string;
  /** Share of the clients that the node takes, compared with others. 0: only if there is no other. */
  readonly weight: number;
}

/** Component → client: from now on `alias` means this subscription. */
export interface BindSubscriptionFrame {
  readonly type: "bind";
  readonly role: "subscription";
  readonly alias: number;
  readonly node: string;
  readonly subid: string;
  readonly kind: ServiceKind;
  /** Time from which `at` of this subscription's DATA counts, in ms since 1970 of the component's clock. */
  readonly baseAt: number;
}

/** Component → publisher: from now on `alias` means this service of the publisher. */
export interface BindServiceFrame {
  readonly type: "bind";
  readonly role: "service";
  readonly alias: number;
  readonly node: string;
  /** The incarnation that the offer named, else the last one seen; and its last sequence. 0: none. */
  readonly incarnation: number;
  readonly sequence: number;
}

/** Form of the payload of a DATA frame. */
export type DataForm = "rows" | "deflated";

/**
 * A codec that a peer reads: a form of DATA, the columnar codec (`coded`) with the forms that any row may have, or its
 * form for maps (`map`).
 */
export type Codec = DataForm | "coded" | "map";

/**
 * DATA of the positions `from`..`to`. The rows in the payload are the newest of them; the other positions were
 * conflated.
 *
 * - Downward, `epoch` is the service's. `at` is the component's clock at the newest row, in ms since BIND's `baseAt`.
 * - Upward, `epoch` is the publisher's incarnation, and positions are its sequence. `at` is the age of the newest row
 *   when it was sent, in ms.
 */
export interface DataFrame {
  readonly type: "data";
  readonly alias: number;
  readonly form: DataForm;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly at: number;
  /**
   * Time from the oldest row of the payload to the newest, in ms. Receivers treat the rows between as evenly spaced.
   */
  readonly spanMs: number;
  readonly payload: Uint8Array;
}

/** A body of the columnar codec that needs no other body. */
export interface IndependentBody {
  readonly form: "independent";
  readonly epoch: number;
  readonly from: number;
  readonly payload: Uint8Array;
}

export type CodedBody = ChainBody | IndependentBody;
export type CodedForm = CodedBody["form"];

/**
 * DATA whose rows, times and number of conflated positions are in a payload of the columnar codec
 * (docs/reference/codec.md).
 */
export type CodedFrame = { readonly type: "coded"; readonly alias: number } & CodedBody;

/** Form of the payload of SNAPSHOT: entries in msgpack, or in one message of the columnar codec. */
export type SnapshotForm = "rows" | "coded";

/**
 * Component → subscriber of a map: for each key that has changed since the position before `from`, the newest change.
 * A pass is a sequence of such frames, in the order of positions. With its last frame the subscriber has the map of
 * position `to`.
 */
export interface SnapshotFrame {
  readonly type: "snapshot";
  readonly alias: number;
  readonly epoch: number;
  /** The subscriber has all changes up to `to`, of those that no later change has replaced. `to` may be `from` − 1. */
  readonly from: number;
  readonly to: number;
  /** The pass begins with an empty map: keys that it does not name are not in the map. `from` is 1. */
  readonly begins: boolean;
  /** How many entries of the pass follow, about. 0: this frame is the last of its pass. */
  readonly left: number;
  readonly form: SnapshotForm;
  readonly payload: Uint8Array;
}

/**
 * Component → subscriber of a map: checksums of the map of this position, of the keys of one range that the
 * subscription takes. The subscriber has received every change up to the position when this frame arrives.
 */
export interface DigestFrame {
  readonly type: "digest";
  readonly alias: number;
  readonly epoch: number;
  readonly position: number;
  /** 1: every key. Range `r` has the parts 16 r to 16 r + 15. */
  readonly range: number;
  /** Time after which the component sends the next one if the map has changed by then, in ms. 0: it was asked for. */
  readonly intervalMs: number;
  /**
   * 8 bytes: the checksum of the range. 64 bytes: the first four bytes of the checksum of each part. 2 bytes: a bit
   * for each part that differs from the sums of a request, the first part in the lowest bit. Answers for these parts
   * follow.
   */
  readonly sums: Uint8Array;
}

/** Subscriber → component: asks for the checksums, or the entries, of these ranges. Empty: for the whole map anew. */
export interface RepairRequestFrame {
  readonly type: "repair";
  readonly role: "request";
  readonly alias: number;
  readonly ranges: readonly number[];
  /** For one range alone: the sums of its parts, as the subscriber has them. null: none. */
  readonly sums: Uint8Array | null;
}

/** Component → subscriber: every entry of the range, in the map of this position. */
export interface RepairEntriesFrame {
  readonly type: "repair";
  readonly role: "entries";
  readonly alias: number;
  readonly epoch: number;
  readonly position: number;
  readonly range: number;
  /** As in SNAPSHOT. Positions of entries count from 1. */
  readonly form: SnapshotForm;
  readonly payload: Uint8Array;
}

export type RepairFrame = RepairRequestFrame | RepairEntriesFrame;

/**
 * Number of stanzas with DATA received since the link opened, modulo 2^32. A total: a late or repeated ACK is harmless.
 */
export interface AckFrame {
  readonly type: "ack";
  readonly stanzas: number;
}

/**
 * Component → publisher: the service has stored all updates of this incarnation up to `sequence`. So the publisher's
 * outbox need not keep them. ACK, in contrast, says that stanzas arrived. A late or repeated KEPT is harmless.
 */
export interface KeptFrame {
  readonly type: "kept";
  readonly alias: number;
  readonly incarnation: number;
  readonly sequence: number;
}

/**
 * CREDIT has a total: a late or repeated one is harmless.
 *
 * - For a subscription, subscriber → component: rows that may be sent since its BIND.
 * - For the link (`alias` null): stanzas with DATA that were sent, modulo 2^32. Their receiver acknowledges at once.
 */
export interface CreditFrame {
  readonly type: "credit";
  readonly alias: number | null;
  readonly total: number;
}

/** Component → publisher. With `windowMs` null the publisher should send nothing. */
export interface DemandFrame {
  readonly type: "demand";
  readonly alias: number;
  readonly subscribers: number;
  /** Smallest window of all subscribers, in ms. A log has one even without subscribers. */
  readonly windowMs: number | null;
}

export type ServiceStatus = "online" | "offline" | "paused";

/**
 * Status of a publisher, so that nobody mistakes silence for a constant value. Component → subscriber. Also publisher
 * → component, for a service of its own; then never `offline`.
 */
export interface StatusFrame {
  readonly type: "status";
  readonly alias: number;
  readonly status: ServiceStatus;
  /**
   * Window in which values arrive now, in ms, because their publisher cannot send them sooner. null: as granted, or
   * demanded.
   */
  readonly windowMs: number | null;
}

/** Error of one alias, or of the link (`alias` null). The subscription or offer of the alias has ended. */
export interface ErrorFrame {
  readonly type: "error";
  readonly alias: number | null;
  readonly code: ErrorCode;
  readonly text: string;
  readonly retryAfterMs: number | null;
}

/**
 * Fields of a XEP-0060 options form, in order. A field with several values comes several times. A name of our namespace
 * is written without it: `since` is `{urn:stanzapack:0}since`.
 */
export type OptionFields = readonly (readonly [name: string, value: string])[];

/** Client → component: subscribes to many services with one set of options. */
export interface SubscribeFrame {
  readonly type: "subscribe";
  /** The client's number of this request. Each answer contains it. */
  readonly request: number;
  /** Node ids, or patterns: `alice@example.org/t*`. */
  readonly nodes: readonly string[];
  readonly options: OptionFields;
}

/** Client → component: changes the options of many subscriptions, or ends them. */
export interface ChangeFrame {
  readonly type: "change";
  readonly request: number;
  readonly aliases: readonly number[];
  /** Requests whose patterns are changed or ended. A change applies to services that are offered later. */
  readonly patterns: readonly number[];
  /** null: the subscriptions and patterns end. */
  readonly options: OptionFields | null;
}

/** Position of one subscription, by its alias on the earlier link. Epoch 0: nothing has arrived. */
export interface ResumePosition {
  readonly alias: number;
  readonly epoch: number;
  readonly offset: number;
}

/** Client → component: restores subscriptions of the link whose HELLO had this token. */
export interface ResumeFrame {
  readonly type: "resume";
  readonly request: number;
  readonly token: Uint8Array;
  /** Another RESUME of this token follows. */
  readonly more: boolean;
  readonly positions: readonly ResumePosition[];
}

/**
 * For a log: the position after which the subscription begins, and whether the log has everything from where it should
 * begin.
 */
export interface GrantPosition {
  readonly epoch: number;
  readonly offset: number;
  /** null: the request named no beginning. */
  readonly recovered: boolean | null;
}

/** Component → client: the options that these subscriptions were granted. BIND has named their aliases. */
export interface GrantFrame {
  readonly type: "grant";
  readonly request: number;
  readonly aliases: readonly number[];
  readonly options: OptionFields;
  /** One for each alias; null: at least one subscription is no log, or does not begin now. */
  readonly positions: readonly GrantPosition[] | null;
}

/** Component → client: the component refuses these targets of a request, all for one reason. */
export interface RefusedFrame {
  readonly type: "refused";
  readonly request: number;
  /** Places in the request's list, from 0. Empty: everything in the request that no other frame answers. */
  readonly targets: readonly number[];
  readonly code: ErrorCode;
  /** Text about the first target. */
  readonly text: string;
  readonly retryAfterMs: number | null;
}

/** Component → client: the request has had all its answers. */
export interface DoneFrame {
  readonly type: "done";
  readonly request: number;
}

/** A request by frame. */
export type RequestFrame = SubscribeFrame | ChangeFrame | ResumeFrame;
/** An answer to a request by frame. */
export type AnswerFrame = GrantFrame | RefusedFrame | DoneFrame;

/**
 * Frame about lean stanzas.
 *
 * - `confirm`: a probe whose id has `value` characters arrived unchanged.
 * - `ask`: send no lean stanza from now on. `value` is the number of this request.
 * - `granted`: no lean stanza comes any more. `value` is the number of that request.
 * - `resume`: lean stanzas are welcome again. `value` is 0.
 */
export interface EnvelopeFrame {
  readonly type: "envelope";
  readonly word: "confirm" | "ask" | "granted" | "resume";
  readonly value: number;
}

interface CallHead {
  readonly type: "call";
  /** Upward: of a subscription. Downward: of the publisher's service. */
  readonly alias: number;
  /** Number that the sender gives the call on this link. RESULT has it. */
  readonly call: number;
  /** Names the call for its caller, on every link: 1 to 16 bytes. */
  readonly id: Uint8Array;
  /** Time from now in which the caller wants the result, in ms. */
  readonly timeoutMs: number;
  /** Bare JID of the caller. The component sends it; a client sends null. */
  readonly caller: string | null;
}

/** A call that the sender has not sent before. Caller → component → publisher. */
export interface NewCallFrame extends CallHead {
  readonly again: false;
  readonly method: string;
  /** One msgpack value. */
  readonly args: Uint8Array;
}

/** Asks for the result of a call that was sent on an earlier link. Nothing runs because of it. */
export interface RepeatedCallFrame extends CallHead {
  readonly again: true;
}

export type CallFrame = NewCallFrame | RepeatedCallFrame;

/** Outcome of a call: one msgpack value, or an error. Publisher → component → caller. */
export type ResultFrame =
  | { readonly type: "result"; readonly call: number; readonly ok: true; readonly result: Uint8Array }
  | {
      readonly type: "result";
      readonly call: number;
      readonly ok: false;
      readonly code: ErrorCode;
      readonly text: string;
      readonly retryAfterMs: number | null;
    };

/** The last frame of a link. */
export interface ByeFrame {
  readonly type: "bye";
  readonly code: ErrorCode;
  readonly text: string;
}

/** Component → client: the other nodes of the component now. Only to a client that lists capability 7. */
export interface NodesFrame {
  readonly type: "nodes";
  readonly siblings: readonly Sibling[];
}

export type Frame =
  | HelloFrame
  | NodesFrame
  | BindSubscriptionFrame
  | BindServiceFrame
  | DataFrame
  | CodedFrame
  | SnapshotFrame
  | DigestFrame
  | RepairFrame
  | AckFrame
  | KeptFrame
  | CreditFrame
  | DemandFrame
  | StatusFrame
  | ErrorFrame
  | RequestFrame
  | AnswerFrame
  | EnvelopeFrame
  | CallFrame
  | ResultFrame
  | ByeFrame;

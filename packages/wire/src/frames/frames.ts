import type { ErrorCode } from "../base/errors.js";
import type { ServiceKind } from "../options/service.js";

/**
 * One body of a chain.
 *
 * - `key` begins a chain: nothing before it is needed.
 * - `chained` goes on from the body before, and implies its position.
 * - `wide` does too, and says which chain, which position, and what all bodies since the key must have been.
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
      readonly form: "key";
      readonly chain: number;
      readonly epoch: number;
      readonly from: number;
      readonly payload: Uint8Array;
    };

/** Protocol version of HELLO. */
export const PROTOCOL_VERSION = 1;

/** First element of every frame. Numbers without a codec here are reserved for the later frames of docs/reference/protocol.md. */
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
  /** DATA, one number per payload form, so that the form costs no byte of its own. */
  DATA_ROWS: 16,
  DATA_DEFLATED: 17,
  /** DATA of the columnar codec: the steady state of a chain has nothing but its payload. */
  CODED_CHAINED: 18,
  CODED_WIDE: 19,
  CODED_KEY: 20,
  CODED_INDEPENDENT: 21,
  /** 22 and 23 are kept for further forms of DATA. */
  SNAPSHOT: 24,
  /** SUBSCRIBE's sequel, and what all requests by frame are answered with. */
  CHANGE: 25,
  GRANT: 26,
  REFUSED: 27,
  DONE: 28,
  /** Which kind of stanza carries blocks. */
  ENVELOPE: 29,
} as const;

/** Largest alias; a link that has used it up must be opened again. */
export const MAX_ALIAS = 65_535;

/** Whether this hop's XMPP stream is itself compressed: it decides which payload form is smallest. */
export type HopClass = "plain" | "compressed";

export interface HelloFrame {
  readonly type: "hello";
  readonly version: number;
  /** What the sender accepts, in bytes; a component sends no more. 0: no limit known. */
  readonly maxBlockBytes: number;
  readonly maxInflatedBytes: number;
  /** XEP-0478 `max-bytes` of the sender's stream. */
  readonly maxStanzaBytes: number;
  readonly codecs: readonly Codec[];
  readonly hop: HopClass;
  /** Single-use resume token, from the component. */
  readonly token: Uint8Array | null;
  /** Capability 1, lean stanzas; null: not listed. The tag of this link is the component's to give; a client has null there. */
  readonly lean: { readonly tag: number | null } | null;
}

/** Component → client: from now on `alias` means this subscription. */
export interface BindSubscriptionFrame {
  readonly type: "bind";
  readonly role: "subscription";
  readonly alias: number;
  readonly node: string;
  readonly subid: string;
  readonly kind: ServiceKind;
  /** `at` of this subscription's DATA counts from here, in ms since 1970 of the component's clock. */
  readonly baseAt: number;
}

/** Component → publisher: from now on `alias` means this service of yours. */
export interface BindServiceFrame {
  readonly type: "bind";
  readonly role: "service";
  readonly alias: number;
  readonly node: string;
  /** The incarnation last seen and its last sequence; 0 and 0 when the service is new. */
  readonly incarnation: number;
  readonly sequence: number;
}

/** How the payload of a DATA frame is written. */
export type DataForm = "rows" | "deflated";

/** What a peer reads: forms of DATA, and the columnar codec with all of its own. */
export type Codec = DataForm | "coded";

/**
 * DATA. Positions `from`..`to`; the rows in the payload are the newest of that range, and range − rows was conflated.
 * Down: `epoch` is the service's, `at` the component's clock at the newest row, in ms since BIND's `baseAt`.
 * Up: `epoch` is the publisher's incarnation, positions are its sequence, `at` the age of the newest row when sent, in ms.
 */
export interface DataFrame {
  readonly type: "data";
  readonly alias: number;
  readonly form: DataForm;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly at: number;
  /** Between oldest and newest row of the payload, in ms; rows in between are taken as evenly spaced. */
  readonly spanMs: number;
  readonly payload: Uint8Array;
}

/** A body of the columnar codec that needs no other. */
export interface IndependentBody {
  readonly form: "independent";
  readonly epoch: number;
  readonly from: number;
  readonly payload: Uint8Array;
}

export type CodedBody = ChainBody | IndependentBody;
export type CodedForm = CodedBody["form"];

/** DATA whose rows, times and number of conflated positions are in a payload of the columnar codec (docs/reference/codec.md). */
export type CodedFrame = { readonly type: "coded"; readonly alias: number } & CodedBody;

/** Stanzas with DATA or SNAPSHOT received since HELLO, modulo 2^32: absolute, so a late or repeated one is harmless. */
export interface AckFrame {
  readonly type: "ack";
  readonly stanzas: number;
}

/**
 * Totals, so a late or repeated one is harmless. Of a subscription, subscriber → component: how many rows may be sent since its BIND.
 * Of the link (`alias` null): so many stanzas with DATA were sent, modulo 2^32, and their receiver acknowledges at once.
 */
export interface CreditFrame {
  readonly type: "credit";
  readonly alias: number | null;
  readonly total: number;
}

/** Component → publisher. No subscribers: `windowMs` is null and nothing should be sent. */
export interface DemandFrame {
  readonly type: "demand";
  readonly alias: number;
  readonly subscribers: number;
  /** Smallest window anyone wants, in ms. */
  readonly windowMs: number | null;
}

export type ServiceStatus = "online" | "offline" | "paused";

/**
 * What the publisher is doing, so that silence is never mistaken for a constant value: component → subscriber, and, of a service
 * of its own, publisher → component, never `offline`.
 */
export interface StatusFrame {
  readonly type: "status";
  readonly alias: number;
  readonly status: ServiceStatus;
  /** Values come in this window now, in ms, since their publisher cannot send them sooner; null: as granted, or demanded. */
  readonly windowMs: number | null;
}

/** About one alias, or about the link (`alias` null). The subscription it names has ended. */
export interface ErrorFrame {
  readonly type: "error";
  readonly alias: number | null;
  readonly code: ErrorCode;
  readonly text: string;
  readonly retryAfterMs: number | null;
}

/**
 * Fields of a XEP-0060 options form, in order; a name may come several times. Names of our own namespace are without it: `since` is
 * `{urn:stanzapack:0}since`.
 */
export type OptionFields = readonly (readonly [name: string, value: string])[];

/** Client → component: subscribes to many with one set of options. */
export interface SubscribeFrame {
  readonly type: "subscribe";
  /** The client's number of this request; what answers it names it. */
  readonly request: number;
  /** Node ids, or patterns: `alice@example.org/t*`. */
  readonly nodes: readonly string[];
  readonly options: OptionFields;
}

/** Client → component: other options for many subscriptions, or their end. */
export interface ChangeFrame {
  readonly type: "change";
  readonly request: number;
  readonly aliases: readonly number[];
  /** Requests whose patterns it is about: services that come later. */
  readonly patterns: readonly number[];
  /** null: they end. */
  readonly options: OptionFields | null;
}

/** Where one subscription stands, by its alias on the link before; epoch 0: nothing has come. */
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
  /** More of them follow in another frame. */
  readonly more: boolean;
  readonly positions: readonly ResumePosition[];
}

/** Of a log: behind which position it begins, and whether everything from where it was to begin is there. */
export interface GrantPosition {
  readonly epoch: number;
  readonly offset: number;
  /** null: no beginning was asked for. */
  readonly recovered: boolean | null;
}

/** Component → client: what was granted to these subscriptions; BIND has named them. */
export interface GrantFrame {
  readonly type: "grant";
  readonly request: number;
  readonly aliases: readonly number[];
  readonly options: OptionFields;
  /** One for each alias; null: none is a log, or nothing has begun. */
  readonly positions: readonly GrantPosition[] | null;
}

/** Component → client: these of a request were refused, all for one reason. */
export interface RefusedFrame {
  readonly type: "refused";
  readonly request: number;
  /** Places in the request's list, from 0; none: all of it that has had no answer. */
  readonly targets: readonly number[];
  readonly code: ErrorCode;
  /** About the first of them. */
  readonly text: string;
  readonly retryAfterMs: number | null;
}

/** Component → client: the request has had all its answers. */
export interface DoneFrame {
  readonly type: "done";
  readonly request: number;
}

/** What a client asks for by frame. */
export type RequestFrame = SubscribeFrame | ChangeFrame | ResumeFrame;
/** What answers it. */
export type AnswerFrame = GrantFrame | RefusedFrame | DoneFrame;

/**
 * About lean stanzas: `confirm`, a probe came, so many characters long; `ask`, send none from now on, a request of this number; `granted`, none
 * comes any more; `resume`, they are welcome again, and the value is 0.
 */
export interface EnvelopeFrame {
  readonly type: "envelope";
  readonly word: "confirm" | "ask" | "granted" | "resume";
  readonly value: number;
}

/** The last frame of a link. */
export interface ByeFrame {
  readonly type: "bye";
  readonly code: ErrorCode;
  readonly text: string;
}

export type Frame =
  | HelloFrame
  | BindSubscriptionFrame
  | BindServiceFrame
  | DataFrame
  | CodedFrame
  | AckFrame
  | CreditFrame
  | DemandFrame
  | StatusFrame
  | ErrorFrame
  | RequestFrame
  | AnswerFrame
  | EnvelopeFrame
  | ByeFrame;

import type { ChainBody } from "./codec/chain.js";
import type { ErrorCode } from "./errors.js";
import type { ServiceKind } from "./service.js";

/** Protocol version of HELLO. */
export const PROTOCOL_VERSION = 0;

/** First element of every frame. Numbers without a codec here are reserved for the later frames of docs/PROTOCOL.md. */
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

/** DATA whose rows, times and number of conflated positions are in a payload of the columnar codec (docs/CODEC.md). */
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
  | ByeFrame;

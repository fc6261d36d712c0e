import type { ServiceKind } from "@stanzapack/wire";

export const ACCESS_MODELS = ["open", "whitelist", "authorize"] as const;
/** Who may subscribe (XEP-0060 §4.5). `authorize`: the component asks the publisher about each account. */
export type AccessModel = (typeof ACCESS_MODELS)[number];

export const COMPRESSIONS = ["shared", "isolated"] as const;
/**
 * `isolated`: each update is coded alone. So the author of one update learns nothing about other updates from sizes.
 */
export type Compression = (typeof COMPRESSIONS)[number];

export const DURABILITIES = ["none", "interval", "sync"] as const;
/**
 * How safe the updates of a service are.
 *
 * - `none`: in memory. They are gone when the component restarts.
 * - `interval`: on the disk within `store.intervalMs`, by default a second. A crash may lose that much, and the loss is
 *   reported.
 * - `sync`: on the disk before a subscriber receives them, and before the publisher forgets them.
 */
export type Durability = (typeof DURABILITIES)[number];

export interface ServiceConfig {
  readonly kind: ServiceKind;
  readonly access: AccessModel;
  /** How updates are compressed. Default: `shared`, each with the help of earlier updates. */
  readonly compression?: Compression;
  /**
   * Whether values are bytes that only their reader understands. The component passes them as they are. This cannot
   * change later.
   */
  readonly opaque?: boolean;
  /** Default: `interval` where the component has a store on the disk, otherwise `none`. */
  readonly durability?: Durability;
  /**
   * Most updates that a log keeps, most keys that a map has. The operator's limit holds too. Default: the operator's
   * limit.
   */
  readonly maxItems?: number | undefined;
  /** A log drops updates that are older than this, in seconds. The operator's limit holds too. */
  readonly itemExpireSeconds?: number | undefined;
  /** Most bytes of the updates that a log keeps, most bytes of a map. The operator's limit holds too. */
  readonly maxBytes?: number | undefined;
  /** Bare JIDs that may subscribe if `access` is not `open`. The owner always may. */
  readonly members: ReadonlySet<string>;
  readonly title: string;
}

/** The configuration of a node that is created without a form. */
export const DEFAULT_CONFIG: ServiceConfig = {
  kind: "value",
  access: "open",
  compression: "shared",
  opaque: false,
  members: new Set(),
  title: "",
};

/** The part of an offer about the writer's lease, beside the node's configuration. */
export interface LeaseRequest {
  /** Incarnation of the publisher's outbox. Undefined: the offer names none. */
  readonly incarnation: number | undefined;
  /** The offer takes the lease even from a session that is alive. */
  readonly takeOver: boolean;
}

export const ANY_LEASE: LeaseRequest = { incarnation: undefined, takeOver: false };

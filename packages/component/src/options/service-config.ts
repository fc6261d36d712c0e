import type { ServiceKind } from "@stanzapack/wire";

export const ACCESS_MODELS = ["open", "whitelist", "authorize"] as const;
/** XEP-0060 §4.5. `authorize`: the publisher is asked. */
export type AccessModel = (typeof ACCESS_MODELS)[number];

export const COMPRESSIONS = ["shared", "isolated"] as const;
/** `isolated`: no update is coded by another, so that sizes tell the author of one nothing of another. */
export type Compression = (typeof COMPRESSIONS)[number];

export interface ServiceConfig {
  readonly kind: ServiceKind;
  readonly access: AccessModel;
  /** Whether updates are coded by those before them. Default: `shared`. */
  readonly compression?: Compression;
  /** Its values are bytes that only their reader understands: they pass as they are. For good. */
  readonly opaque?: boolean;
  /** Bare JIDs that may subscribe, unless everybody may; the owner always may. */
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

/** What an offer says of the writer's lease, beside the node's configuration. */
export interface LeaseRequest {
  /** Of the publisher's outbox; undefined: the offer names none. */
  readonly incarnation: number | undefined;
  /** Takes the lease also from a session that lives. */
  readonly takeOver: boolean;
}

export const ANY_LEASE: LeaseRequest = { incarnation: undefined, takeOver: false };

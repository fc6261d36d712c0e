import type { DataReader, NodeId, ServiceKind, ServiceStatus } from "@stanzapack/wire";
import { formatNode } from "@stanzapack/wire";
import { wallAheadMs } from "@stanzapack/xmpp";
import type { ClientLink } from "../links/client-link.js";
import { Incarnations } from "./incarnations.js";
import type { Kind } from "../kinds/kind.js";
import type { Lane } from "../fanout/lane.js";
import type { ReadyBody } from "../fanout/ready-body.js";
import type { Subscription } from "../subscriptions/subscription.js";

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

/** A value may be so much older than its service here (the component was restarted meanwhile), in ms. */
const OLDEST_VALUE_MS = 86_400_000;

export interface LastValue {
  readonly row: Uint8Array;
  /** By the monotonic clock, in ms. */
  readonly at: number;
}

/** Bodies of the newest value, for those who join, or come back: by where they stand, and by how their lanes encode a row. */
export interface NewestBodies {
  readonly offset: number;
  /** How far the wall clock was ahead, in ms. */
  readonly aheadMs: number;
  readonly bodies: Map<string, ReadyBody>;
}

export interface Publisher {
  readonly link: ClientLink;
  readonly alias: number;
  readonly reader: DataReader;
  /** As its offer named it; undefined where it named none. */
  readonly incarnation: number | undefined;
}

/** One named stream of one publisher, with everyone who takes it. */
export class Service {
  readonly node: string;
  /** Zero of the `at` in DATA frames, in ms since 1970, by the wall clock. */
  readonly baseAt: number;
  /** No value is taken for older, by the monotonic clock, in ms. */
  readonly oldestAt: number;
  /** Highest offset given so far; the first update has 1. */
  offset = 0;
  last: LastValue | undefined;
  /** Bodies of it, while it is the newest. */
  newest: NewestBodies | undefined;
  /** The publishers' outboxes, and the last of each one's sequence that arrived. */
  readonly incarnations = new Incarnations();
  /** Who holds the writer's lease: nobody else's DATA is this service's. */
  publisher: Publisher | undefined;
  /** Nobody finds it any more; a log is still brought to those who had not got all of it. */
  withdrawn = false;
  /** What the publisher says of itself. */
  status: Exclude<ServiceStatus, "offline"> = "online";
  /** The window in which it really sends, in ms, when it cannot keep to its demand. */
  paceMs: number | null = null;
  /** When the publisher's link went, in ms. */
  offlineSince: number | undefined;
  /** Bare JIDs that the publisher has allowed, under `authorize`. */
  readonly approved = new Set<string>();
  readonly lanes = new Map<string, Lane>();
  readonly subscriptions = new Set<Subscription>();
  /** Subscriptions without a value so far. */
  readonly awaiting = new Set<Subscription>();
  /** What the publisher was told last. */
  demand: { subscribers: number; windowMs: number | null } = { subscribers: 0, windowMs: null };

  constructor(
    readonly id: NodeId,
    public config: ServiceConfig,
    /** Random: with memory alone, a restarted component's offsets begin anew, and must not look like the old ones. */
    readonly epoch: number,
    /** What services of its kind do, with what this one keeps. */
    readonly kind: Kind,
    /** By the monotonic clock, in ms. */
    createdAt: number,
  ) {
    this.node = formatNode(id);
    this.oldestAt = createdAt - OLDEST_VALUE_MS;
    this.baseAt = Math.round(this.oldestAt + wallAheadMs());
  }

  get online(): boolean {
    return this.publisher !== undefined;
  }
  /** What its subscribers are told. */
  get told(): { readonly status: ServiceStatus; readonly windowMs: number | null } {
    return this.online
      ? { status: this.status, windowMs: this.paceMs }
      : { status: "offline", windowMs: null };
  }

  mayTake(bareJid: string): boolean {
    const { access, members } = this.config;
    if (access === "open" || bareJid === this.id.owner || members.has(bareJid)) return true;
    return access === "authorize" && this.approved.has(bareJid);
  }

  /** Whether it is shown: who may ask must find it. */
  mayFind(bareJid: string): boolean {
    return this.config.access === "authorize" || this.mayTake(bareJid);
  }

  /** The smallest in which anybody takes it; null: nobody does. */
  get takenWindowMs(): number | null {
    let smallest: number | null = null;
    for (const { windowMs } of this.lanes.values())
      if (smallest === null || windowMs < smallest) smallest = windowMs;
    return smallest;
  }

  /** The largest in which anybody takes it, in ms; 0: nobody does. */
  get slowestWindowMs(): number {
    let largest = 0;
    for (const { windowMs } of this.lanes.values()) largest = Math.max(largest, windowMs);
    return largest;
  }

  /** The window in which its publisher should send, in ms; null: not at all. */
  wantedWindowMs(): number | null {
    const taken = this.takenWindowMs;
    const { ownWindowMs } = this.kind;
    return ownWindowMs === null ? taken : Math.min(taken ?? ownWindowMs, ownWindowMs);
  }
}

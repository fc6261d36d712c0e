import type { RepairRequestFrame, Since, StanzapackError } from "@stanzapack/wire";
import type { Later } from "../base/later.js";
import type { Service } from "../catalog/service.js";
import type { ServiceRecord } from "../catalog/service-record.js";
import type { Lane } from "../fanout/lane.js";
import type { Arrival } from "../fanout/selector.js";
import type { TimedStart } from "../store/journal.js";
import type { StoredEntry } from "../store/store.js";
import type { Subscription } from "../subscriptions/subscription.js";

/** The last position that a subscriber has. */
export interface StandingPosition {
  readonly epoch: number;
  readonly offset: number;
}

/** What a subscriber asks about its replica. */
export type MapAsk = Pick<RepairRequestFrame, "ranges" | "sums">;

/** Where and when a new subscription begins. */
export interface Start {
  /**
   * Where in the history the subscription begins, if the kind has a history. Undefined: with the updates that come from
   * now on.
   */
  readonly since: Since | undefined;
  /** What `Kind.seek` has found, if `since` is a time. */
  readonly timed?: TimedStart | undefined;
  /** Undefined: the subscriber is new to the service. */
  readonly standing: StandingPosition | undefined;
  /**
   * Name of the cursor whose place the subscription keeps. If there is such a cursor, `since` is its place, and
   * `standing` does not count. Undefined: the subscription has none.
   */
  readonly cursor?: string | undefined;
  /** Others subscribed before, and the publisher has answered their demand. */
  readonly isLive: boolean;
  /** By the monotonic clock, in ms. */
  readonly now: number;
}

/** Differences between the kinds of services: `ValueKind`, `LogKind` and `MapKind`. */
export interface Kind {
  /** Every update is sent on, and is kept for later subscribers, who may begin in the past. */
  readonly hasHistory: boolean;
  /** A named cursor can say how far a consumer has come in it. */
  readonly hasCursors: boolean;
  /** No update may be left out between publisher and component: KEPT says which are kept. */
  readonly keepsUpdates: boolean;
  /**
   * The widest window of the publisher, in ms, even while nobody subscribes. Null: then the publisher sends nothing.
   */
  readonly ownWindowMs: number | null;
  /**
   * Returns where updates begin that arrived at `time` or later, in ms since 1970. Only kinds with a history have it.
   * May reject with `store-failed`.
   */
  seek?(time: number): Later<TimedStart>;
  /** Sends a new subscription its first data, and puts it on its lane, or on the way to its lane. */
  begin(subscription: Subscription, start: Start): void;
  /**
   * Reads rows that have arrived, before anything is done with them. Throws `malformed` or `limit-exceeded`, which end
   * the publisher's link. Returns the reason why the service takes none of the rows: then its offer ends.
   */
  check?(service: Service, rows: readonly Uint8Array[]): StanzapackError | undefined;
  /**
   * Keeps what the kind needs of new updates, before the lanes receive the updates. Resolves once all of the updates
   * are stored as well as the service's durability promises: then their publisher need not keep them (KEPT). Lanes
   * receive no update before that. Throws or rejects with `store-failed`: nothing of the updates is stored.
   */
  keep(service: Service, arrival: Arrival): Later<void>;
  /** The updates are stored, and are given to the lanes next. */
  kept(service: Service, arrival: Arrival): void;
  /** A detached subscription may receive data again: brings the subscription back to its lane. */
  comeBack(subscription: Subscription, now: number): void;
  /** Empties a lane that cannot be flushed, and detaches its subscribers where they stand. */
  setAside(lane: Lane<Subscription>): void;
  /** Returns whether a subscription to a withdrawn service goes on until it has the rest. */
  hasRest(subscription: Subscription): boolean;
  /** The service was withdrawn. */
  withdraw(service: Service, now: number): void;
  /** Another object takes the place of this one. Frees what it holds. */
  release?(): void;
  /** The subscriber of a map asks for checksums or entries of some ranges. */
  repair?(subscription: Subscription, asked: MapAsk): void;
  /** Once a second, at the monotonic time `now`. */
  sweep?(service: Service, now: number): void;
}

/**
 * Returns the kind of a new service, with what one service of that kind keeps. `entries`: those of a map that is brought
 * back. Default: none.
 */
export type CreateKind = (record: ServiceRecord, entries?: Iterable<StoredEntry>) => Kind;

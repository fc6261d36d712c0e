import type { ServiceStatus, StanzapackError } from "@stanzapack/wire";
import type { MapChangeEvent, SyncingEvent } from "./map-replica.js";

export interface Update<T> {
  readonly value: T;
  /**
   * Time of publishing, in ms since 1970 of the component's wall clock: the time of arrival less the age that the
   * publisher named. The wall clock may be set back, so the order of updates is the order of positions.
   */
  readonly at: number;
  readonly epoch: number;
  readonly offset: number;
}

/** A range of offsets, with both ends included. */
export interface RangeEvent {
  readonly from: number;
  readonly to: number;
  /**
   * Reason of the range: `disconnected`, `gap`, `window` (left out under pressure), `selection` (left out by `samples`,
   * `maxRate` or `deadband`, or under pressure), `paused` (this client was inactive), `consumer` (this program was too
   * slow), `epoch`, `whole` (of a map).
   */
  readonly reason: string;
}

/**
 * Status of a subscription. `online`, `offline` and `paused` are of the publisher. `paused` and `slowed` are also of
 * this client while it is inactive. `disconnected`, `waiting` and `pending` are of this client. `waiting`: the service
 * must be offered again, or a fault may pass. `pending`: the publisher must approve again.
 */
export type SubscriptionStatus = ServiceStatus | Away | "slowed";

/** Reason why no update can arrive, whatever the publisher sends. */
export type Away = "disconnected" | "waiting" | "pending";

export interface StatusEvent {
  readonly status: SubscriptionStatus;
  /**
   * Origin of the status: `client` for `disconnected`, `waiting`, `pending`, `slowed`, and for `paused` after
   * `setActive(false)`.
   */
  readonly by: "publisher" | "client";
  /** Window granted now, in ms. */
  readonly windowMs: number;
}

export interface SubscriptionEvents<T> {
  update: (update: Update<T>) => void;
  /** Updates that should have arrived and never will. */
  lost: (range: RangeEvent) => void;
  /** Updates left out, because newer ones replaced them. */
  conflated: (range: RangeEvent) => void;
  /**
   * Offsets began again, because the component lost its memory. The range is from the old position to the new one. Of a
   * map with a `cursor` and without `copy`: the component cannot say what has changed, so the whole map arrives. The
   * program drops what it has kept.
   */
  reset: (range: RangeEvent) => void;
  /** A key of a map has another value, or was removed. Emitted after `map` has the change, and the rest of its update. */
  change: (event: MapChangeEvent<T>) => void;
  /** A map is catching up, at the beginning or after a break. `map` does not show the new changes yet. */
  syncing: (progress: SyncingEvent) => void;
  /** `map` is up to date: once at the beginning, and again after each break. */
  synced: () => void;
  /** This many keys of `map` differed from the component's map, and are repaired. Each had its `change` before. */
  repaired: (event: { readonly keys: number }) => void;
  /** The status changed. With `heartbeatMs` it is also emitted while no update arrives. */
  status: (event: StatusEvent) => void;
  /** The subscription has ended. Emitted once, with the error unless `stop` ended it. */
  ended: (error: StanzapackError | undefined) => void;
}

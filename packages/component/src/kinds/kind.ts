import type { Since } from "@stanzapack/wire";
import type { Later } from "../base/later.js";
import type { Service } from "../catalog/service.js";
import type { ServiceConfig } from "../options/service-config.js";
import type { Lane } from "../fanout/lane.js";
import type { Arrival } from "../fanout/selector.js";
import type { Subscription } from "../subscriptions/subscription.js";

/** The last position that a subscriber has. */
export interface StandingPosition {
  readonly epoch: number;
  readonly offset: number;
}

/** Where and when a new subscription begins. */
export interface Start {
  /** Of a kind with history alone. Undefined: with what comes from now on. */
  readonly since: Since | undefined;
  /** Undefined: the subscriber is new to the service. */
  readonly standing: StandingPosition | undefined;
  /** Others subscribed before, and the publisher has answered their demand. */
  readonly isLive: boolean;
  /** By the monotonic clock, in ms. */
  readonly now: number;
}

/** What the kinds of services do differently: `ValueKind` and `LogKind`. */
export interface Kind {
  /** Every update goes on, and is kept for those who come later. False: newer values take the place of older ones. */
  readonly hasHistory: boolean;
  /** The widest window of its publisher, in ms, also while nobody subscribes; null: then the publisher sends none. */
  readonly ownWindowMs: number | null;
  /** Sends a new subscription what comes first, and puts the subscription on its lane, or on the way there. */
  begin(subscription: Subscription, start: Start): void;
  /**
   * Updates came. Keeps what the kind keeps, before the lanes receive the updates. Resolves once all of the updates are
   * stored as well as the service's durability promises: then their publisher need not keep them (KEPT). Rejects if
   * they cannot be stored.
   */
  keep(service: Service, arrival: Arrival): Later<void>;
  /** A detached subscription may receive data again: brings the subscription back to its lane. */
  comeBack(subscription: Subscription, now: number): void;
  /** Empties a lane that cannot be flushed, and detaches its subscribers where they stand. */
  setAside(lane: Lane<Subscription>): void;
  /** Whether a subscription to a service that is withdrawn goes on, until it has the rest. */
  hasRest(subscription: Subscription): boolean;
  /** The service was withdrawn. */
  withdraw(service: Service, now: number): void;
}

/** Returns the kind of a service that is to be, with what one service of that kind keeps. */
export type CreateKind = (config: ServiceConfig, owner: string) => Kind;

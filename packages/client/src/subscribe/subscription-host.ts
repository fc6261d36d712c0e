import type { CreditFrame, Selection } from "@stanzapack/wire";
import type { Granted } from "../negotiation/negotiation.js";
import type { MapOutcome } from "./map-replica.js";
import type { SharedSubscription } from "./shared-subscription.js";

/** The calls that a subscription makes to its client. */
export interface SubscriptionHost {
  change(subscription: SharedSubscription, windowMs: number, selection: Selection): Promise<Granted>;
  stop(subscription: SharedSubscription): Promise<void>;
  /** Sends CREDIT: the consumer has read. */
  credit(frame: CreditFrame): void;
  /** Calls leave at once from now on, or the publisher may be back. */
  callable?(subscription: SharedSubscription): void;
  /** The copy of a map has changed, or is whole again. */
  mapChanged?(subscription: SharedSubscription, outcome: MapOutcome): void;
}

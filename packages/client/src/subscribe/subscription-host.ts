import type { CreditFrame, Selection } from "@stanzapack/wire";
import type { Granted } from "../negotiation/negotiation.js";
import type { SharedSubscription } from "./shared-subscription.js";

/** The calls that a subscription makes to its client. */
export interface SubscriptionHost {
  change(subscription: SharedSubscription, windowMs: number, selection: Selection): Promise<Granted>;
  stop(subscription: SharedSubscription): Promise<void>;
  /** Sends CREDIT: the consumer has read. */
  credit(frame: CreditFrame): void;
}

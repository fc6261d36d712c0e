import type { MapOutcome } from "../subscribe/map-replica.js";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";

/** A subscription, as far as commands use it. */
export type CommandTarget = Pick<
  SharedSubscription,
  "node" | "kind" | "granted" | "calls" | "values" | "synced" | "windowMs"
>;

/** What a client tells its queues. */
export interface CommandWatcher {
  /** Calls to the node may leave now, or its publisher may be back. */
  callable(node: string): void;
  /** The copy of a map has changed, or is whole again. */
  mapChanged(node: string, outcome: MapOutcome): void;
}

/** The calls that a queue of commands makes to its client. */
export interface CommandHost {
  /** Returns the client's subscription to a node. Undefined: it has none. */
  target(node: string): CommandTarget | undefined;
  /** Returns a function that ends the watch. */
  watch(watcher: CommandWatcher): () => void;
}

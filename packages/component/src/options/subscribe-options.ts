import type { Selection, Since } from "@stanzapack/wire";

/** How updates reach a subscriber. `link`: as DATA frames over its link. */
export type Delivery = "link";

/** How a subscriber asks to receive a service. */
export interface AskedOptions {
  /** Window, in ms. 0: every update at once. */
  readonly windowMs: number;
  /** As the subscriber asked for it. `grantSelection` checks the bounds. */
  readonly selection: Selection;
}

/** Options that a subscriber asks to change. */
export interface ChangedOptions extends AskedOptions {
  /** Rows that the subscriber takes in all, if that is more than before. Undefined: as before. */
  readonly credit?: number | undefined;
}

/** Options that a new subscription asks for. */
export interface SubscribeOptions extends AskedOptions {
  /** Where in a log the subscription begins. Undefined: with the updates that come from now on. */
  readonly since: Since | undefined;
  /** Rows that the subscriber takes before its first CREDIT. Infinity: the subscriber sends no CREDIT. */
  readonly credit: number;
  /** Name of the cursor at which the subscription to a log or a map begins. It moves as the subscriber gives credit. */
  readonly cursor?: string | undefined;
}

/** The options in force for a subscription. */
export interface GrantedOptions {
  readonly windowMs: number;
  readonly selection: Selection;
  readonly delivery: Delivery;
  /** The last position of a log, or of a map with a cursor, that the subscription does not receive. */
  readonly begun?: { readonly epoch: number; readonly offset: number } | undefined;
  /**
   * Whether the log still has every update from the position where the subscription asked to begin; whether a map can
   * say what has changed since its cursor. Undefined: it did not ask.
   */
  readonly recovered?: boolean | undefined;
}

import type { Since, Value } from "@stanzapack/wire";

/**
 * Which updates come, and what of each. Out of bounds is `invalid-options`. Subscribers who ask for the same share every byte. Null, as
 * by default: not asked for.
 */
export interface SelectionOptions {
  /** `latest`: of each window the newest alone. Default `all`. Not for a log. */
  readonly samples?: "all" | "latest" | undefined;
  /** Most updates a second, 0.001 to 1,000; older ones give way to newer ones. Not for a log. */
  readonly maxRate?: number | null | undefined;
  /**
   * Names of top-level fields, at most 64 of 256 characters: of values that are objects these alone travel. What is missing stays
   * missing, other values come whole.
   */
  readonly fields?: readonly string[] | null | undefined;
  /**
   * Leaves an update out while it differs from the last one sent by no more than this, as a number or in each of its top-level numbers,
   * and in nothing else. From 0, with which changes alone come. Not for a log.
   */
  readonly deadband?: number | null | undefined;
  /**
   * At least so often, in ms, something comes: the newest value where the deadband holds one back, otherwise `status` again. 1,000 to a day; the
   * rung of 1, 2, 5, 10, … s at or below it is granted, but nothing below the window or what `maxRate` allows.
   */
  readonly heartbeatMs?: number | null | undefined;
}

export interface ChangeOptions extends SelectionOptions {
  readonly windowMs?: number | undefined;
}

export interface SubscribeOptions<T> extends SelectionOptions {
  /** How long updates may be gathered, in ms; the next rung of 0, 100, 200, 500, 1000, … is granted. Default 0: each at once. */
  readonly windowMs?: number | undefined;
  /**
   * Of a `log`, where to begin: with the oldest update kept (`first`), behind a position, or at a time, in ms since 1970. Default:
   * with what comes from now on. After a break it goes on where it was by itself.
   */
  readonly since?: Since | undefined;
  /**
   * How long to wait for the publisher's approval, where the service's access model is `authorize`, in ms; then `subscribe` throws `pending`,
   * and the request is given up. Default 60,000. `subscribeAll` does not wait: those are `pending` meanwhile.
   */
  readonly approvalMs?: number | undefined;
  /** The publisher has to approve: `subscribe` waits. Called once for all of `subscribeAll`. */
  readonly onPending?: (() => void) | undefined;
  /** Checks and types a value, for example a schema's `parse`; a throw ends the subscription. */
  readonly parse?: ((value: Value) => T) | undefined;
  /**
   * Most updates that wait for a slow consumer; then the oldest are dropped and told as `conflated`, and when nothing is read at all
   * the component sends no more. Of a log none are dropped: the component keeps what comes until half of them are read. Default 1,000.
   */
  readonly maxQueued?: number | undefined;
}

import type { Since, Value } from "@stanzapack/wire";

/**
 * Which updates a subscription receives, and which parts of them. Null, the default, selects nothing. Subscribers with
 * the same selection share every byte. Values out of bounds throw `invalid-options`.
 */
export interface SelectionOptions {
  /** `latest`: only the newest update of each window. Default `all`. Only for a `value`. */
  readonly samples?: "all" | "latest" | undefined;
  /** Largest number of updates a second, 0.001 to 1,000. Newer updates replace older ones. Only for a `value`. */
  readonly maxRate?: number | null | undefined;
  /**
   * Names of top-level fields, at most 64 names of 256 characters. A value that is an object arrives with these fields
   * only. A missing field stays missing, and other values arrive whole. Not for a map.
   */
  readonly fields?: readonly string[] | null | undefined;
  /**
   * Leaves an update out if it differs from the last one sent by no more than this, and in nothing else. The
   * difference is of the number, or of each of the value's top-level numbers. At least 0; 0 sends changes only. Only
   * for a `value`.
   */
  readonly deadband?: number | null | undefined;
  /**
   * Longest time without an update or a status, in ms, 1,000 to a day. Then the component sends the newest value if the
   * deadband holds one back, otherwise `status` again. The component grants the rung of 1, 2, 5, 10, … s at or below
   * it, but nothing below the window or the interval of `maxRate`.
   */
  readonly heartbeatMs?: number | null | undefined;
}

export interface ChangeOptions extends SelectionOptions {
  readonly windowMs?: number | undefined;
}

/** The keys of a map that a subscription receives. Null, the default, selects all. They cannot change. */
export interface KeyOptions {
  /** Only these keys: 1 to 64, each of 1 to 512 characters that XML can carry. Not together with `prefix`. */
  readonly keys?: readonly string[] | null | undefined;
  /** Only keys that begin so: 1 to 512 characters that XML can carry. */
  readonly prefix?: string | null | undefined;
}

export interface SubscribeOptions<T> extends SelectionOptions, KeyOptions {
  /**
   * Time during which updates may be gathered, in ms. The component grants the next rung of 0, 100, 200, 500, 1000, …
   * ms. Default 0: each update at once.
   */
  readonly windowMs?: number | undefined;
  /**
   * Where a subscription to a log begins: with the oldest update kept (`first`), behind a position, or at a time in ms
   * since 1970. After a break the subscription continues at its position. Only for a log. Default: with updates from
   * now on.
   */
  readonly since?: Since | undefined;
  /**
   * Name of a cursor: the component keeps how far this program has come in a log or a map, so that a later program of
   * the same account continues there, also on another machine. 1 to 64 characters of `A–Z a–z 0–9 . _ -`. `since` then
   * applies only if there is no cursor of this name yet. The cursor moves to the last update that the program has
   * taken. An update is taken when its listeners have returned, when an iteration asks for the next one, or by
   * `markTaken`. After a crash, the updates of the last two seconds may arrive again. One subscription at a time uses
   * a cursor: a later one ends the one before with `conflict`. Not for a `value`.
   *
   * A map with a cursor sends a later program only the keys that have changed since, with `change` for each. `map`
   * then has only these keys, unless the program gives its `copy`. `recovered` is false if the component cannot say
   * what has changed: the whole map arrives. Use one cursor with the same `keys` and `prefix` each time.
   */
  readonly cursor?: string | undefined;
  /**
   * With the `cursor` of a map: the copy that an earlier program has kept, as keys with values before `parse`. `map`
   * begins with it, and `change` is emitted for differences alone. The client checks the copy as any other, so a copy
   * that is older or newer than the cursor becomes right too. Default: none.
   */
  readonly copy?: Iterable<readonly [string, Value]> | undefined;
  /**
   * With the `cursor` of a map: true moves the cursor by `markTaken` alone. Use it where a change must be stored
   * elsewhere before it counts as taken. Default false: a change is taken when its listeners have returned.
   */
  readonly manualCursor?: boolean | undefined;
  /**
   * Time to wait for the publisher's approval under the access model `authorize`, in ms. Then `subscribe` throws
   * `pending`, and gives the request up. `subscribeAll` does not wait: these subscriptions are `pending` meanwhile.
   * Default 60,000.
   */
  readonly approvalMs?: number | undefined;
  /** Called when the publisher must approve, and `subscribe` waits. `subscribeAll` calls it once for all nodes. */
  readonly onPending?: (() => void) | undefined;
  /**
   * Takes a value, checks it, and returns the typed value: for example a schema's `parse`. An exception ends the
   * subscription.
   */
  readonly parse?: ((value: Value) => T) | undefined;
  /**
   * Largest number of updates that wait for a slow consumer. Beyond it the oldest are dropped and reported as
   * `conflated`. If the consumer reads nothing at all, the component sends nothing more. A log drops none: the
   * component keeps new updates until half of the waiting ones are read. Updates of a map do not wait. Default 1,000.
   */
  readonly maxQueued?: number | undefined;
}

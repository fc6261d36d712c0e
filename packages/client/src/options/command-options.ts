import type { Value } from "@stanzapack/wire";
import type { ExpectedMap } from "../commands/layered-map.js";

/**
 * Bounds of the commands that wait. Beyond them `call` throws `busy`. 10,000 and 16 MiB: a day of a command every nine
 * seconds.
 */
export const COMMAND_BOUNDS = { maxCommands: 10_000, maxBytes: 16_777_216 };

export interface CommandsOptions {
  /** Most commands that wait for their results. Default and most 10,000. */
  readonly maxCommands?: number | undefined;
  /** Most bytes that these commands take in the store. Default and most 16,777,216. */
  readonly maxBytes?: number | undefined;
}

export interface CommandOptions<T = Value> {
  /** Result that the call is expected to have. Default: what `change` returns. */
  readonly expect?: Value | undefined;
  /**
   * Makes the changes in the map that the publisher is expected to make, and returns the expected result: a value as
   * `publish` takes it, or undefined if any result is fine. `call` runs it at once. It must not be asynchronous. Its
   * values are as they travel: `parse` of the subscription does not apply. The store keeps the changed keys and their
   * values, and the view shows them above whatever the map is then.
   */
  readonly change?: ((map: ExpectedMap<T>) => unknown) | undefined;
  /** Time to wait for the result once the call was sent, in ms, 1 to 600,000. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /**
   * Time in which the call must be sent, in ms by the wall clock, 1 to 31,536,000,000 (a year). Afterwards the command
   * ends with `timeout`, and does not run. Default 604,800,000: a week.
   */
  readonly keepMs?: number | undefined;
}

import { StanzapackError, type Value } from "@stanzapack/wire";
import type { CommandOptions } from "../options/command-options.js";
import type { CommandTarget } from "./command-host.js";
import type { KeyChange } from "./command-record.js";
import { ExpectedMap } from "./layered-map.js";
import type { Overlay } from "./overlay.js";

/** What a command is expected to do. */
interface Expectation {
  readonly changes: readonly KeyChange[];
  /** Undefined: any result is fine. */
  readonly result: unknown;
}

/**
 * Calls `change` with the map as it will be when the commands before have run. Throws what `change` throws, and `usage`
 * if it is asynchronous, or changes a service that is no map.
 */
export function expectationOf<T>(
  change: CommandOptions<T>["change"],
  overlay: Overlay,
  target: Pick<CommandTarget, "node" | "kind" | "granted"> | undefined,
): Expectation {
  if (change === undefined) return { changes: [], result: undefined };
  const map = new ExpectedMap<T>(
    () => overlay.below as ReadonlyMap<string, T>,
    (key) => overlay.newest(key) as { readonly value: T | undefined } | undefined,
    () => overlay.keys(),
  );
  const result: unknown = change(map);
  if (result instanceof Promise) {
    result.catch(() => undefined);
    throw new StanzapackError("usage", "call: `change` must not be asynchronous", { scope: "call" });
  }
  const changes: readonly (readonly [string, Value | undefined])[] = map.made;
  if (changes.length > 0 && target?.granted === true && target.kind !== "map") {
    const text = `call: \`change\` changes a map, and \`${target.node}\` is a ${target.kind ?? "value"}`;
    throw new StanzapackError("usage", text, { scope: "call" });
  }
  return { changes, result };
}

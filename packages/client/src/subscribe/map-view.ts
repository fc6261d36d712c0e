import type { Value } from "@stanzapack/wire";
import type { MapChangeEvent } from "./map-replica.js";

/** A map as one reader sees it: parsed, if the reader has a `parse`. */
export class MapView<T> {
  private readonly parsed = new Map<string, T>();

  constructor(
    private readonly shared: { readonly values: ReadonlyMap<string, Value> },
    private readonly parse: ((value: Value) => T) | undefined,
  ) {}

  get values(): ReadonlyMap<string, T> {
    return this.parse === undefined ? (this.shared.values as ReadonlyMap<string, T>) : this.parsed;
  }

  clear(): void {
    this.parsed.clear();
  }

  /** Takes the changes of an update. Throws what `parse` throws: then none of them counts. */
  take(changes: readonly MapChangeEvent<Value>[]): readonly MapChangeEvent<T>[] {
    const { parse, parsed } = this;
    if (parse === undefined)
      return changes as readonly MapChangeEvent<unknown>[] as readonly MapChangeEvent<T>[];
    const taken = changes.map(({ key, value }) => ({
      ...{ key, value: value === undefined ? undefined : parse(value), previous: parsed.get(key) },
    }));
    for (const { key, value } of taken)
      if (value === undefined) parsed.delete(key);
      else parsed.set(key, value);
    return taken;
  }
}

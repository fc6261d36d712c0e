import type { Value } from "@stanzapack/wire";
import { assertMapKey, DEFAULT_LIMITS, encodeUpdate, decodeRow, StanzapackError } from "@stanzapack/wire";
import type { KeyChange } from "./command-record.js";

/** A value that stands above a map. Undefined: the key is removed. */
interface Above<T> {
  readonly value: T | undefined;
}

/** Most keys that one command is expected to change. */
const MAX_CHANGES = 1_000;
/** A value stands in an array of changes, and a change is an array. */
const VALUE_LIMITS = { ...DEFAULT_LIMITS, maxDepth: DEFAULT_LIMITS.maxDepth - 2 };

/** A map with changes above it. It changes as either of them does. */
export class LayeredMap<T> implements ReadonlyMap<string, T> {
  constructor(
    private readonly below: () => ReadonlyMap<string, T>,
    private readonly above: (key: string) => Above<T> | undefined,
    /** Keys that may stand above. */
    private readonly keysAbove: () => Iterable<string>,
  ) {}

  get(key: string): T | undefined {
    const above = this.above(key);
    return above === undefined ? this.below().get(key) : above.value;
  }

  has(key: string): boolean {
    const above = this.above(key);
    return above === undefined ? this.below().has(key) : above.value !== undefined;
  }

  /** Takes time for each key with a change, and for no other. */
  get size(): number {
    const below = this.below();
    let { size } = below;
    for (const key of this.keysAbove()) size += Number(this.has(key)) - Number(below.has(key));
    return size;
  }

  *entries(): MapIterator<[string, T]> {
    const below = this.below();
    for (const [key, value] of below) {
      const above = this.above(key);
      if (above === undefined) yield [key, value];
      else if (above.value !== undefined) yield [key, above.value];
    }
    for (const key of [...this.keysAbove()]) {
      const value = this.above(key)?.value;
      if (value !== undefined && !below.has(key)) yield [key, value];
    }
  }

  *keys(): MapIterator<string> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<T> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[string, T]> {
    return this.entries();
  }

  forEach(act: (value: T, key: string, map: ReadonlyMap<string, T>) => void, thisArg?: unknown): void {
    for (const [key, value] of this.entries()) act.call(thisArg, value, key, this);
  }
}

/**
 * The map as it is expected to be when the command runs. Your function makes the changes in it that the publisher is
 * expected to make. At most 1,000 keys, and 48 KiB.
 */
export class ExpectedMap<T> extends LayeredMap<T> {
  private readonly changes: Map<string, Above<T>>;

  constructor(
    below: () => ReadonlyMap<string, T>,
    above: (key: string) => Above<T> | undefined,
    keysAbove: () => Iterable<string>,
  ) {
    const changes = new Map<string, Above<T>>();
    super(
      below,
      (key) => changes.get(key) ?? above(key),
      () => new Set([...keysAbove(), ...changes.keys()]),
    );
    this.changes = changes;
  }

  /** Sets a key. Throws as `set` of an offered map. */
  set(key: string, value: T): this {
    assertMapKey(key, DEFAULT_LIMITS);
    // A copy, so that what the program changes later is not changed here.
    this.change(key, decodeRow(encodeUpdate(value, VALUE_LIMITS)) as T);
    return this;
  }

  /** Removes a key. Returns whether it was there. */
  delete(key: string): boolean {
    const had = this.has(key);
    if (had) this.change(key, undefined);
    return had;
  }

  /** @internal What the command is expected to change. */
  get made(): KeyChange[] {
    return [...this.changes].map(([key, { value }]) => [key, value as Value | undefined]);
  }

  private change(key: string, value: T | undefined): void {
    this.changes.set(key, { value });
    if (this.changes.size > MAX_CHANGES)
      throw new StanzapackError("too-large", `a command changes at most ${MAX_CHANGES} keys`, {
        scope: "call",
      });
  }
}

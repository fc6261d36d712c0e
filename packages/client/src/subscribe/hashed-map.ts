import { hashEntry, RangeDigest, type EntryHash, type Value } from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";

/** Entries that are hashed between two looks at the clock. */
const AT_ONCE = 64;

/**
 * The hashes of a replica's entries, computed from the values that it holds. The constructor takes the entries as they
 * are, and `work` hashes them in slices. Keys that change meanwhile are `touched`: they are hashed when they are asked
 * for.
 */
export class HashedMap {
  /** Keys that have changed since the constructor. */
  readonly touched = new Set<string>();
  private readonly keys: readonly string[];
  private held: readonly Value[];
  private readonly places: Int32Array;
  private readonly highs: Int32Array;
  private readonly lows: Int32Array;
  private done = 0;

  constructor(private readonly values: ReadonlyMap<string, Value>) {
    this.keys = [...values.keys()];
    this.held = [...values.values()];
    const { length } = this.keys;
    this.places = new Int32Array(length);
    this.highs = new Int32Array(length);
    this.lows = new Int32Array(length);
  }

  /** Hashes for at most `ms` ms. Returns whether all entries are hashed. */
  work(ms: number): boolean {
    const until = monotonicNow() + ms;
    const { keys, held } = this;
    while (this.done < keys.length) {
      const end = Math.min(this.done + AT_ONCE, keys.length);
      for (; this.done < end; this.done++) {
        const { place, high, low } = hashOf(keys[this.done] as string, held[this.done] as Value);
        this.places[this.done] = place;
        this.highs[this.done] = high;
        this.lows[this.done] = low;
      }
      if (monotonicNow() > until) break;
    }
    if (this.done < keys.length) return false;
    this.held = [];
    return true;
  }

  /** Returns the checksums of a range as the replica was at the constructor. */
  digestThen(range: number): RangeDigest {
    const digest = new RangeDigest(range);
    for (let i = 0; i < this.done; i++)
      digest.toggle(this.places[i] as number, this.highs[i] as number, this.lows[i] as number);
    return digest;
  }

  /** Returns the checksums of a range as the replica is now. */
  digestNow(range: number): RangeDigest {
    const { touched, values } = this;
    const digest = new RangeDigest(range);
    for (let i = 0; i < this.done; i++)
      if (digest.has(this.places[i] as number) && !touched.has(this.keys[i] as string))
        digest.toggle(this.places[i] as number, this.highs[i] as number, this.lows[i] as number);
    for (const key of touched) {
      const value = values.get(key);
      if (value === undefined) continue;
      const { place, high, low } = hashOf(key, value);
      digest.toggle(place, high, low);
    }
    return digest;
  }

  /** Keys of a range that the replica holds now. */
  *keysOf(range: number): Iterable<string> {
    const { touched, values } = this;
    const digest = new RangeDigest(range);
    for (let i = 0; i < this.done; i++) {
      const key = this.keys[i] as string;
      if (digest.has(this.places[i] as number) && !touched.has(key)) yield key;
    }
    for (const key of [...touched]) if (values.has(key) && digest.has(hashOf(key, null).place)) yield key;
  }
}

/** The program may have put something into a value that no map can have. Then the entry counts as another one. */
function hashOf(key: string, value: Value): EntryHash {
  try {
    return hashEntry(key, value);
  } catch {
    return { ...hashEntry(key, null), high: 0, low: 0 };
  }
}

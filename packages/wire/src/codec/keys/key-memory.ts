import { countTrends } from "../numbers/trends.js";
import { weightOf, type Held } from "../values/held.js";

/** Most bytes of the memory of all keys, by the count below. 4,194,304: 4,500 sensors of three fields. */
const MAX_BYTES = 4_194_304;
/** Bytes that a key counts beside its text and its values, as measured in V8. */
const KEY_BYTES = 256;
/** Bytes of a UTF-16 code unit of a key, and of one unit of weight of a value. */
const UNIT_BYTES = 2;
const HELD_BYTES = 32;
/** Bytes of a trend. */
const TREND_BYTES = 128;
/** Largest weight of a value that is kept. One key may displace an eighth of the others at most. */
const MAX_WEIGHT = 4_096;

/** What a codec remembers of one key of a map. */
export interface RememberedKey {
  readonly key: string;
  readonly index: number;
  /** The value that came last, and the one before. Undefined: there is none, or it is not kept. */
  value: Held | undefined;
  before: Held | undefined;
  /** Index of the key that came after this one the last time. */
  next: number;
  /** Weights of `value` and `before`. */
  weight: number;
  weightBefore: number;
  /** See `Trends`. */
  readonly trends: number[];
  /** Number of trends that are counted. */
  trendCount: number;
}

/**
 * The keys that came last in a chain, each with an index and its values. Bounded: the key that is unused for longest
 * makes room. Both sides of a chain forget the same keys at the same moment.
 */
export class KeyMemory {
  /** Indexes that were ever in use. */
  size = 0;
  private readonly entries: (RememberedKey | undefined)[] = [];
  /** In the order of use: the key that is unused for longest is first. */
  private readonly byKey = new Map<string, RememberedKey>();
  /** Indexes of forgotten keys. The last one is given first. */
  private readonly free: number[] = [];
  private used = 0;

  /** Bytes in use, approximately. */
  get bytes(): number {
    return this.used;
  }

  find(key: string): RememberedKey | undefined {
    return this.byKey.get(key);
  }

  at(index: number): RememberedKey | undefined {
    return this.entries[index];
  }

  /** Remembers a new key. Call `use` once its value is coded. */
  add(key: string): RememberedKey {
    const index = this.free.pop() ?? this.size++;
    const values = { value: undefined, before: undefined, weight: 0, weightBefore: 0 };
    const entry: RememberedKey = { key, index, next: index + 1, ...values, trends: [], trendCount: 0 };
    this.entries[index] = entry;
    this.byKey.set(key, entry);
    this.used += KEY_BYTES + UNIT_BYTES * key.length;
    return entry;
  }

  /** The key has this value now, and perhaps further trends. */
  keep(entry: RememberedKey, value: Held): void {
    const trendCount = countTrends(entry.trends);
    this.used += TREND_BYTES * (trendCount - entry.trendCount);
    entry.trendCount = trendCount;
    const weight = weightOf(value);
    const isKept = weight <= MAX_WEIGHT;
    const before = isKept ? entry.weight : 0;
    this.used += HELD_BYTES * ((isKept ? weight : 0) + before - entry.weight - entry.weightBefore);
    entry.before = isKept ? entry.value : undefined;
    entry.weightBefore = before;
    entry.value = isKept ? value : undefined;
    entry.weight = isKept ? weight : 0;
  }

  /** The key came just now. Forgets the keys that are unused for longest, while all take too much memory. */
  use(entry: RememberedKey): void {
    const { byKey } = this;
    byKey.delete(entry.key);
    byKey.set(entry.key, entry);
    if (this.used <= MAX_BYTES) return;
    for (const oldest of byKey.values()) {
      if (this.used <= MAX_BYTES || oldest === entry) return;
      this.forget(oldest);
    }
  }

  private forget({ key, index, weight, weightBefore, trendCount }: RememberedKey): void {
    this.byKey.delete(key);
    this.entries[index] = undefined;
    this.free.push(index);
    const keyBytes = KEY_BYTES + UNIT_BYTES * key.length;
    this.used -= keyBytes + HELD_BYTES * (weight + weightBefore) + TREND_BYTES * trendCount;
  }
}

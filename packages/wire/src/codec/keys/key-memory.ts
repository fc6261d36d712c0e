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
  /** The keys that were used just before this one, and just after it. Undefined: there are none. */
  older: RememberedKey | undefined;
  newer: RememberedKey | undefined;
}

/**
 * The keys that came last in a chain, each with an index and its values. Bounded: the key that is unused for longest
 * makes room. Both sides of a chain forget the same keys at the same moment.
 */
export class KeyMemory {
  /** Indexes that were ever in use. */
  size = 0;
  private readonly entries: (RememberedKey | undefined)[] = [];
  private readonly byKey = new Map<string, RememberedKey>();
  /** The keys that are unused for longest, and that were used just now. */
  private oldest: RememberedKey | undefined;
  private newest: RememberedKey | undefined;
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
    const trends = { trends: [], trendCount: 0 };
    const links = { older: undefined, newer: undefined };
    const entry: RememberedKey = { key, index, next: index + 1, ...values, ...trends, ...links };
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
    if (this.newest !== entry) {
      this.unlink(entry);
      entry.older = this.newest;
      if (this.newest !== undefined) this.newest.newer = entry;
      this.newest = entry;
      this.oldest ??= entry;
    }
    while (this.used > MAX_BYTES && this.oldest !== undefined && this.oldest !== entry)
      this.forget(this.oldest);
  }

  private unlink(entry: RememberedKey): void {
    const { older, newer } = entry;
    if (this.oldest === entry) this.oldest = newer;
    if (this.newest === entry) this.newest = older;
    if (older !== undefined) older.newer = newer;
    if (newer !== undefined) newer.older = older;
    entry.older = entry.newer = undefined;
  }

  private forget(entry: RememberedKey): void {
    const { key, index, weight, weightBefore, trendCount } = entry;
    this.unlink(entry);
    this.byKey.delete(key);
    this.entries[index] = undefined;
    this.free.push(index);
    const keyBytes = KEY_BYTES + UNIT_BYTES * key.length;
    this.used -= keyBytes + HELD_BYTES * (weight + weightBefore) + TREND_BYTES * trendCount;
  }
}

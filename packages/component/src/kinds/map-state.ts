import { RangeDigest, weighMapEntry, WHOLE_RANGE, type MapChange, type MapEntry } from "@stanzapack/wire";
import type { MapMarks, MapWrite, OffsetRange, StoredEntry } from "../store/store.js";
import { MapHashes, type HashedEntry } from "./map-hashes.js";

/** From this many superseded entries on, and more than there are others, the list of entries is made anew. */
const COMPACT_AT = 1_024;

/** Bounds of one map's removals. They are read at each change, so an object with getters can change them. */
export interface RemovalBounds {
  /** Most removals that are kept. */
  readonly maxRemovals: number;
  /** Most bytes that they take. */
  readonly maxRemovalBytes: number;
  /** Removals that are older are forgotten, in ms, unless a cursor needs them. */
  readonly maxAgeMs: number;
  /** Removals that are older are forgotten, in ms, even if a cursor needs them. */
  readonly maxPinnedMs: number;
}

/** An entry in the order of positions. */
interface Entry extends StoredEntry, HashedEntry {
  readonly value: Uint8Array | undefined;
  /** A later change has replaced it, or it is forgotten. */
  gone: boolean;
}

/** How far a reader has come. */
export interface MapCursor {
  /** The reader has every entry up to this position. */
  readonly settled: number;
  /** The reader also has the entries of position `settled` + 1 or later up to this place. Undefined: none. */
  readonly part: { readonly position: number; readonly index: number } | undefined;
}

/** Some entries that follow a cursor. */
export interface MapSlice {
  readonly entries: readonly MapEntry<Uint8Array>[];
  /** Where the next slice begins. */
  readonly cursor: MapCursor;
  /** Number of entries after the slice, about. 0: there are none. */
  readonly left: number;
}

export interface SliceBounds {
  readonly maxEntries: number;
  /** Most bytes of keys and values, with `headBytes` for each entry. */
  readonly maxBytes: number;
  readonly headBytes: number;
  /** Removals up to this position are left out, because the reader has begun with an empty map since. */
  readonly removalsFrom: number;
  /** Whether the reader takes a key. Undefined: it takes all. */
  readonly takes?: ((key: string) => boolean) | undefined;
}

/** Most bytes of msgpack that a key takes: its head, and at most three bytes for each UTF-16 code unit. */
function keyBytes(key: string): number {
  return 5 + 3 * key.length;
}

/**
 * The state of one map: for each key its newest change, in the order of positions. Removals are kept for a while, so
 * that a subscriber that comes back receives only what changed since its position.
 */
export class MapState {
  /** The position of the state. */
  position = 0;
  /** The last update is a part: the next row continues it. */
  continues = false;
  /** Bytes in use, approximately. */
  bytes = 0;
  /** Number of keys that have a value. */
  keys = 0;
  /** Removals up to this position are forgotten. */
  floor = 0;
  private readonly hashes = new MapHashes();
  private doubt: OffsetRange | undefined;
  private readonly byKey = new Map<string, Entry>();
  /** By position, then by place in the update. Some entries may be gone. */
  private order: Entry[] = [];
  private goneCount = 0;
  /** Removals, the oldest first. Some may be gone. */
  private removals: Entry[] = [];
  private removed = 0;
  private removedBytes = 0;

  constructor(private readonly bounds: RemovalBounds) {}

  /** The state as a store has it. */
  static restore(
    bounds: RemovalBounds,
    stored: {
      readonly entries: Iterable<StoredEntry>;
      readonly marks: MapMarks | undefined;
      readonly position: number;
    },
  ): MapState {
    const state = new MapState(bounds);
    const entries = [...stored.entries].sort((a, b) => a.position - b.position || a.index - b.index);
    for (const entry of entries) state.add({ ...entry, gone: false, hash: undefined });
    const { floor = 0, continues = false, doubt } = stored.marks ?? {};
    Object.assign(state, { floor, continues, doubt });
    state.position = stored.position;
    return state;
  }

  /** Bytes of the keys that have a value. */
  get liveBytes(): number {
    return this.bytes - this.removedBytes;
  }
  /** Whether there are more removals than their bounds allow, whatever their age. */
  get hasTooManyRemovals(): boolean {
    const { maxRemovals, maxRemovalBytes } = this.bounds;
    return this.removed > maxRemovals || this.removedBytes > maxRemovalBytes;
  }

  get marks(): MapMarks {
    const { floor, continues, doubt } = this;
    return { floor, continues, ...(doubt && { doubt }) };
  }

  /** Returns the newest change of each key, in any order. */
  all(): Iterable<StoredEntry> {
    return this.byKey.values();
  }

  /** Returns the value of a key as msgpack. */
  get(key: string): Uint8Array | undefined {
    return this.byKey.get(key)?.value;
  }

  /**
   * Returns whether a reader at this position needs the whole map: removals since then are forgotten, or it may have
   * seen updates that the map does not have.
   */
  needsWhole(position: number): boolean {
    const { floor, doubt } = this;
    return position < floor || (doubt !== undefined && position >= doubt.from && position <= doubt.to);
  }

  /** Applies an update. Its row has this position. `at`: in ms since 1970. Values are kept as they are. */
  apply(position: number, changes: readonly MapChange[], continues: boolean, at: number): void {
    for (const [index, change] of changes.entries()) {
      if (change.type === "clear") this.clear(position);
      else if (change.type === "set" || this.get(change.key) !== undefined) {
        const value = change.type === "set" ? change.value : undefined;
        this.drop(this.byKey.get(change.key));
        this.add({ key: change.key, position, index, at, value, gone: false, hash: undefined });
      }
    }
    this.position = position;
    this.continues = continues;
    this.compact();
  }

  /** An update without changes, such as positions that were never used. */
  advance(position: number): void {
    this.position = Math.max(this.position, position);
  }

  private clear(position: number): void {
    this.byKey.clear();
    this.order = [];
    this.removals = [];
    this.hashes.cleared();
    this.goneCount = this.removed = this.removedBytes = this.keys = this.bytes = 0;
    this.floor = position;
  }

  private add(entry: Entry): void {
    this.byKey.set(entry.key, entry);
    this.order.push(entry);
    this.hashes.added(entry);
    this.bytes += weighMapEntry(entry.key, entry.value);
    if (entry.value !== undefined) this.keys++;
    else {
      this.removals.push(entry);
      this.removed++;
      this.removedBytes += weighMapEntry(entry.key, entry.value);
    }
  }

  private drop(entry: Entry | undefined): void {
    if (entry === undefined) return;
    this.hashes.dropped(entry);
    entry.gone = true;
    this.goneCount++;
    this.bytes -= weighMapEntry(entry.key, entry.value);
    if (entry.value !== undefined) this.keys--;
    else {
      this.removed--;
      this.removedBytes -= weighMapEntry(entry.key, entry.value);
    }
  }

  private compact(): void {
    if (this.goneCount > COMPACT_AT && this.goneCount > this.byKey.size) {
      this.order = this.order.filter(({ gone }) => !gone);
      this.goneCount = 0;
    }
    if (this.removals.length > COMPACT_AT && this.removals.length > 2 * this.removed)
      this.removals = this.removals.filter(({ gone }) => !gone);
  }

  /**
   * Forgets the removals over the bounds, at most `most` of them. `now`: in ms since 1970. `pinnedFrom` returns the
   * offset behind which a cursor needs removals. Cursors need no removal beyond its age of `maxPinnedMs`, and none
   * beyond the bounds of number and bytes. Returns what the store is to forget.
   */
  forgetRemovals(now: number, most: number, pinnedFrom = (): number => Infinity): MapWrite[] {
    const writes: MapWrite[] = [];
    let read = 0;
    let pinned: number | undefined;
    for (const entry of this.removals) {
      if (!entry.gone) {
        const age = now - entry.at;
        const isDue = (): boolean =>
          age >= this.bounds.maxAgeMs &&
          (age >= this.bounds.maxPinnedMs || entry.position <= (pinned ??= pinnedFrom()));
        if (writes.length >= most || !(this.hasTooManyRemovals || isDue())) break;
        this.drop(entry);
        this.byKey.delete(entry.key);
        this.floor = Math.max(this.floor, entry.position);
        writes.push({ type: "forget", key: entry.key });
      }
      read++;
    }
    if (read > 0) this.removals = this.removals.slice(read);
    this.compact();
    return writes;
  }

  /**
   * Returns the entries after a cursor, in the order of positions: as many as the bounds allow, but at least one. A key
   * that changes meanwhile moves to the end, so a reader receives every key once, with its newest value.
   */
  read(cursor: MapCursor, { maxEntries, maxBytes, headBytes, removalsFrom, takes }: SliceBounds): MapSlice {
    const entries: Entry[] = [];
    let bytes = 0;
    let at = this.find(cursor);
    for (; at < this.order.length; at++) {
      const entry = this.order[at] as Entry;
      if (entry.gone || (entry.value === undefined && entry.position <= removalsFrom)) continue;
      if (takes?.(entry.key) === false) continue;
      bytes += headBytes + keyBytes(entry.key) + (entry.value?.length ?? 0);
      if (entries.length > 0 && (entries.length >= maxEntries || bytes > maxBytes)) break;
      entries.push(entry);
    }
    const [last, next] = [entries.at(-1), this.order[at]];
    if (next === undefined || last === undefined)
      return { entries, cursor: { settled: this.position, part: undefined }, left: 0 };
    const left = Math.max(1, this.order.length - at - this.goneCount);
    const { position, index } = last;
    return next.position === position
      ? {
          entries,
          cursor: { settled: Math.max(cursor.settled, position - 1), part: { position, index } },
          left,
        }
      : { entries, cursor: { settled: next.position - 1, part: undefined }, left };
  }

  /** Hashes are needed from now on. */
  startHashes(): void {
    this.hashes.start(this.byKey.values());
  }

  /** Hashes at most `most` entries that have no hash yet. Returns whether all have one now. */
  workOnHashes(most: number): boolean {
    return this.hashes.work(most);
  }

  /** Returns the checksums of a range of the keys that `takes` accepts. All entries must have a hash. */
  digestOf(range: number, takes?: (key: string) => boolean): RangeDigest {
    if (range === WHOLE_RANGE && takes === undefined) return this.hashes.whole;
    const digest = new RangeDigest(range);
    for (const { key, hash } of this.byKey.values())
      if (hash !== undefined && digest.has(hash.place) && takes?.(key) !== false)
        digest.toggle(hash.place, hash.high, hash.low);
    return digest;
  }

  /**
   * Returns the entries with a value of a range, of the keys that `takes` accepts, in the order of positions.
   * Undefined: there are more than `most`. All entries must have a hash.
   */
  entriesOf(
    range: number,
    takes: ((key: string) => boolean) | undefined,
    most: number,
  ): readonly MapEntry<Uint8Array>[] | undefined {
    const digest = new RangeDigest(range);
    const entries: Entry[] = [];
    for (const entry of this.byKey.values()) {
      const { key, hash } = entry;
      if (hash === undefined || !digest.has(hash.place) || takes?.(key) === false) continue;
      if (entries.length === most) return undefined;
      entries.push(entry);
    }
    return entries.sort((a, b) => a.position - b.position || a.index - b.index);
  }

  /** Returns the index in `order` of the first entry after a cursor. */
  private find({ settled, part }: MapCursor): number {
    let [low, high] = [0, this.order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { position, index } = this.order[middle] as Entry;
      const isBefore =
        position <= settled ||
        (part !== undefined &&
          (position < part.position || (position === part.position && index <= part.index)));
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

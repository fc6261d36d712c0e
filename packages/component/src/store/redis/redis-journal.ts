import type { BatchSlice } from "@stanzapack/wire";
import type { Later } from "../../base/later.js";
import { decodeEntry, encodeEntry, intoEntries, toRows, weigh, type JournalRow } from "../base/entries.js";
import type { Droppable, JournalAccount, JournalMemory } from "../base/journal-memory.js";
import type { Retention } from "../base/retention.js";
import { sliceOf } from "../base/slices.js";
import type { TimedStart } from "../journal.js";
import type { NewRows, OffsetRange, StoredJournal } from "../store.js";
import { entryId } from "./keys.js";
import { OldRows, toOldRow, type OldRow } from "./old-rows.js";
import type { RedisReader } from "./redis-reader.js";
import { Tail } from "./tail.js";

export interface JournalParts {
  readonly owner: string;
  readonly epoch: number;
  readonly reader: RedisReader;
  /** Bounds all journals in Redis. */
  readonly storedShares: JournalMemory;
  /** Bounds the tails of all journals, in memory. */
  readonly memoryShares: JournalMemory;
  readonly retention: () => Retention;
  /** Called when there is something to remove from Redis. */
  readonly onDropped: () => void;
}

/** A journal as Redis has it. */
export interface Found {
  /** Offset of the oldest update that counts as kept. */
  readonly first: number;
  /** When the newest dropped update arrived, in ms since 1970. −1: no update was dropped. */
  readonly droppedAt: number;
  /** The stream's first and last entry. Undefined: the stream has none. */
  readonly oldest: FoundEntry | undefined;
  readonly newest: FoundEntry | undefined;
}

/** Rows and bytes that the journal has taken so far. */
export interface Totals {
  readonly rows: number;
  readonly bytes: number;
}

/** An entry, with the totals up to its end. */
export interface FoundEntry extends Totals {
  readonly entry: Uint8Array;
}

/**
 * The journal of one service: entries in a Redis stream, and in memory a tail of its newest rows. Old rows are dropped
 * here at once, and from Redis with the next write.
 */
export class RedisJournal implements StoredJournal, Droppable {
  first: number;
  newest: number;
  droppedAt: number;
  private readonly tail: Tail;
  private readonly old: OldRows;
  private readonly account: JournalAccount;
  /** Totals up to the newest row. */
  private totals: Totals = { rows: 0, bytes: 0 };
  /** Totals up to the last row that was dropped. */
  private dropped: Totals = { rows: 0, bytes: 0 };
  /** Bytes to drop of rows that are not read yet. They no longer count. */
  private debt = 0;
  private counted = 0;
  private droppable = 0;
  private cameAt = 0;

  constructor(
    private readonly parts: JournalParts,
    { first, droppedAt, oldest, newest }: Found,
  ) {
    const { owner, reader, storedShares, memoryShares } = parts;
    this.first = first;
    this.droppedAt = droppedAt;
    this.newest = first - 1;
    this.account = storedShares.open(owner, this);
    this.old = new OldRows(reader, () => this.settleDebt());
    const last = newest && decodeEntry(newest.entry);
    this.tail = new Tail(memoryShares, owner, last === undefined ? first : last.before + 1);
    if (last === undefined || oldest === undefined || newest === undefined) return;
    this.newest = last.rows.at(-1)?.offset ?? this.newest;
    this.cameAt = last.rows.at(-1)?.cameAt ?? 0;
    this.totals = { rows: newest.rows, bytes: newest.bytes };
    const head = decodeEntry(oldest.entry).rows;
    this.old.set(head);
    const kept = head.filter(({ offset }) => offset >= first);
    this.first = kept[0]?.from ?? first;
    this.dropped = { rows: oldest.rows - kept.length, bytes: oldest.bytes - weightOf(kept) };
    this.tail.append(last.rows.filter(({ offset }) => offset >= first));
    this.tail.dropBefore(first);
    this.count();
  }

  get rows(): number {
    return this.totals.rows - this.dropped.rows;
  }
  get bytes(): number {
    return Math.max(0, this.totals.bytes - this.dropped.bytes - this.debt);
  }
  /** Bytes of memory that the newest rows take. */
  get tailBytes(): number {
    return this.tail.held;
  }
  get newestRow(): JournalRow | undefined {
    return this.tail.newest;
  }
  /** Totals up to the newest row. */
  get taken(): Totals {
    return this.totals;
  }

  /** Returns new rows as the journal keeps them. `waiting`: rows that come before them and wait for Redis. */
  rowsOf(append: NewRows, waiting: readonly JournalRow[]): JournalRow[] {
    return toRows(append, waiting.at(-1)?.cameAt ?? this.cameAt);
  }

  /** Redis has these rows now, so readers see them. */
  extend(rows: readonly JournalRow[]): void {
    const last = rows.at(-1);
    if (last === undefined) return;
    if (this.rows === 0) this.first = (rows[0] as JournalRow).from;
    this.newest = last.offset;
    this.cameAt = last.cameAt;
    this.totals = { rows: this.totals.rows + rows.length, bytes: this.totals.bytes + weightOf(rows) };
    this.tail.append(rows);
    this.count();
    const { maxRows, maxBytes } = this.parts.retention();
    while (this.rows > 1 && (this.rows > maxRows || this.bytes > maxBytes)) if (!this.drop()) break;
    this.account.settle();
  }

  /**
   * Drops at most `most` updates that are too old, or that are too many since a bound was lowered. `now`: in ms since
   * 1970.
   */
  trim(now: number, most: number): void {
    const { maxAgeMs, maxRows, maxBytes } = this.parts.retention();
    const before = now - maxAgeMs;
    for (let i = 0; i < most && this.rows > 1; i++) {
      const isFull = this.rows > maxRows || this.bytes > maxBytes;
      const oldest = this.oldest();
      if (oldest === undefined || (!isFull && oldest.cameAt >= before) || !this.drop()) return;
    }
  }

  /** Called when journals together are too large. Rows that are not read yet are dropped once they are. */
  dropOldest(): void {
    if (this.drop()) return;
    this.debt += Math.max(1, Math.ceil(this.bytes / Math.max(1, this.rows)));
    this.count();
  }

  /** Drops the oldest row. Returns false if it is not known yet, or if no other row is left. */
  private drop(): boolean {
    const oldest = this.oldest();
    if (oldest === undefined || oldest.offset >= this.newest) return false;
    this.dropped = { rows: this.dropped.rows + 1, bytes: this.dropped.bytes + oldest.bytes };
    this.debt = Math.max(0, this.debt - oldest.bytes);
    this.droppedAt = oldest.cameAt;
    this.first = oldest.offset + 1;
    this.tail.dropBefore(this.first);
    this.first = this.oldest()?.from ?? this.first;
    this.parts.onDropped();
    this.count();
    return true;
  }

  /** Old rows are known now, so those that are owed can be dropped. */
  private settleDebt(): void {
    // Redis has lost what was here.
    if (this.old.lacks(this.first, this.tail.start - 1))
      this.first = this.tail.oldest?.from ?? this.newest + 1;
    while (this.debt > 0) if (!this.drop()) break;
    if (this.rows <= 1 || this.first >= this.newest) this.debt = 0;
    this.count();
    this.account.settle();
  }

  /** Returns the oldest row. Undefined: it is not known yet, or there is none. */
  private oldest(): OldRow | undefined {
    const row = this.old.at(this.first);
    if (row !== undefined) return row;
    const { start, oldest } = this.tail;
    if (start <= this.first) return oldest && toOldRow(oldest);
    this.old.load(this.first, start - 1);
    return undefined;
  }

  private count(): void {
    const { bytes } = this;
    const newest = this.tail.newest;
    const droppable = Math.max(0, bytes - (newest === undefined ? 0 : weigh(newest.row)));
    this.account.count(bytes - this.counted, droppable - this.droppable);
    this.counted = bytes;
    this.droppable = droppable;
  }

  /**
   * Returns the arguments that append rows in Redis: how many entries, then those of each. `before`: the last offset
   * before them, and the totals there.
   */
  entriesFor(rows: readonly JournalRow[], before: number, totals: Totals): (string | Buffer)[] {
    const entries = intoEntries(rows, before);
    let { rows: count, bytes } = totals;
    const args: (string | Buffer)[] = [String(entries.length)];
    for (const entry of entries) {
      const [head, last] = [entry.rows[0] as JournalRow, entry.rows.at(-1) as JournalRow];
      count += entry.rows.length;
      bytes += weightOf(entry.rows);
      args.push(entryId(this.parts.epoch, last.offset), String(head.from), String(last.cameAt));
      args.push(String(count), String(bytes), Buffer.from(encodeEntry(entry)));
    }
    return args;
  }

  /** Returns the rows after `offset` that memory still has. */
  rowsAfter(offset: number): JournalRow[] {
    return [...this.tail.from(offset + 1)];
  }

  /** Returns the kept offsets after `offset` whose rows memory has no more. */
  lostAfter(offset: number): OffsetRange | undefined {
    const [from, to] = [Math.max(offset + 1, this.first), this.tail.start - 1];
    return this.rows === 0 || from > to ? undefined : { from, to };
  }

  /** Redis had rows up to `stored` alone, with these totals, and has got the rows `again`. */
  restored(stored: number, totals: Totals, again: readonly JournalRow[]): void {
    this.totals = { rows: totals.rows + again.length, bytes: totals.bytes + weightOf(again) };
    if (stored < this.first) {
      this.dropped = totals;
      this.first = again[0]?.from ?? this.newest + 1;
      this.debt = 0;
    }
    this.parts.reader.clear();
    this.old.clear();
    this.count();
  }

  read(offset: number, maxRows: number, maxBytes: number): BatchSlice | "wait" | undefined {
    const { first, newest, tail } = this;
    const start = Math.max(offset, first);
    if (start > newest) return undefined;
    const bounds = [offset, maxRows, maxBytes] as const;
    const slice =
      start < tail.start ? this.parts.reader.slice(start, tail.start - 1, newest, ...bounds) : undefined;
    return slice ?? sliceOf(tail.from(start), ...bounds);
  }

  since(time: number): Later<TimedStart> {
    const { first, newest, droppedAt, tail } = this;
    const whole = droppedAt < time;
    const at = (row: JournalRow | undefined): TimedStart => ({
      offset: row === undefined ? newest + 1 : Math.max(row.from, first),
      whole,
    });
    const { oldest } = tail;
    if (oldest === undefined || tail.start <= first || time > oldest.cameAt) return at(tail.since(time));
    return this.parts.reader.since(time, first, newest).then(at);
  }

  /** Of a followed journal: Redis has updates up to `to` that did not come here. */
  jump(to: number): void {
    if (to <= this.newest) return;
    this.newest = to;
    this.tail.clear();
    this.tail.start = to + 1;
  }

  /** Of a followed journal: its owner keeps the updates from `first` on. See `Found`. */
  ownerDropped(first: number, droppedAt: number): void {
    if (first <= this.first) return;
    this.first = first;
    this.droppedAt = droppedAt;
    this.tail.dropBefore(first);
  }

  /** Ends the journal: its bytes no longer count for any bound. */
  clear(): void {
    this.totals = this.dropped = { rows: 0, bytes: 0 };
    this.debt = 0;
    this.tail.clear();
    this.old.clear();
    this.parts.reader.clear();
    this.count();
  }
}

/** Returns the bytes of rows, as they count for the bounds of journals. */
function weightOf(rows: readonly JournalRow[]): number {
  return rows.reduce((bytes, { row }) => bytes + weigh(row), 0);
}

import type { BatchSlice } from "@stanzapack/wire";
import { sliceOf } from "../base/slices.js";
import { DiskReader } from "./disk-reader.js";
import type { Engine, Write } from "./engine.js";
import { encodeEntry, intoEntries, toRows, weigh, type JournalRow } from "../base/entries.js";
import type { TimedStart } from "../journal.js";
import type { Droppable, JournalAccount, JournalMemory } from "../base/journal-memory.js";
import { entryKey } from "./keys.js";
import { OldRows } from "./old-rows.js";
import type { Extent } from "../base/records.js";
import type { Retention } from "../base/retention.js";
import type { NewRows, OffsetRange, StoredJournal } from "../store.js";

/** From this many unneeded rows on, the journal shortens the array of the tail. */
const COMPACT_AT = 1_024;

export interface JournalParts {
  readonly engine: Engine;
  /** Number of the service in the engine's keys. */
  readonly number: number;
  readonly owner: string;
  readonly shares: JournalMemory;
  readonly retention: () => Retention;
  /** Called when there are entries to remove from the disk. */
  readonly onDropped: () => void;
  /** Called for updates on the disk that cannot be read. */
  readonly onLost: (range: OffsetRange) => void;
}

/** The part of a journal in a commit. */
export interface JournalBatch {
  readonly writes: readonly Write[];
  /** The extent of the journal once the writes are on the disk. */
  readonly extent: Extent;
  readonly done: () => void;
  readonly failed: () => void;
}

/** The journal of one service: entries on the disk, and in memory a tail of newer rows that are not on the disk yet. */
export class DiskJournal implements StoredJournal, Droppable {
  private readonly extent: { -readonly [K in keyof Extent]: Extent[K] };
  /** Rows before index `tailAt` are no longer needed. */
  private tail: JournalRow[] = [];
  private tailAt = 0;
  private tailBytes = 0;
  /** The last offset on the disk. */
  private onDisk: number;
  private droppable = 0;
  /** Last offsets of the entries to remove from the disk. */
  private dropped: number[] = [];
  private readonly old: OldRows;
  private readonly reader: DiskReader;
  private readonly account: JournalAccount;

  constructor(
    private readonly parts: JournalParts,
    extent: Extent,
  ) {
    const { engine, number, onLost } = parts;
    this.extent = { ...extent };
    this.onDisk = extent.newest;
    this.old = new OldRows(engine, number, onLost);
    this.reader = new DiskReader(engine, number, onLost);
    this.account = parts.shares.open(parts.owner, this);
    this.count(extent.bytes);
  }

  get first(): number {
    return this.extent.first;
  }
  get newest(): number {
    return this.extent.newest;
  }
  get bytes(): number {
    return this.extent.bytes;
  }
  /** Bytes of the tail. */
  get unwrittenBytes(): number {
    return this.tailBytes;
  }

  /** Adds rows to the tail. Readers see them at once. */
  append(rows: readonly JournalRow[]): void {
    for (const row of rows) this.tail.push(row);
    this.tailBytes += sum(rows);
    this.extend(rows);
  }

  /** Returns new rows as the journal keeps them. `waiting`: rows that come before them and wait for the disk. */
  rowsOf(append: NewRows, waiting: readonly JournalRow[]): JournalRow[] {
    return toRows(append, waiting.at(-1)?.cameAt ?? this.extent.cameAt);
  }

  private extend(rows: readonly JournalRow[]): void {
    Object.assign(this.extent, extended(this.extent, rows));
    this.count(sum(rows));
    const { maxRows, maxBytes } = this.parts.retention();
    while (this.extent.rows > 1 && (this.extent.rows > maxRows || this.extent.bytes > maxBytes))
      this.dropOldest();
    this.account.settle();
  }

  /**
   * Drops at most `most` updates that are too old, or that are too many since a bound was lowered. `now`: in ms since
   * 1970.
   */
  trim(now: number, most: number): void {
    const { maxAgeMs, maxRows, maxBytes } = this.parts.retention();
    const before = now - maxAgeMs;
    for (let i = 0; i < most && this.extent.rows > 1; i++) {
      const isFull = this.extent.rows > maxRows || this.extent.bytes > maxBytes;
      const oldest = this.oldest();
      if (oldest === undefined || (!isFull && oldest.cameAt >= before)) return;
      this.dropOldest();
    }
  }

  private count(bytes: number): void {
    const droppable = Math.max(0, this.extent.bytes - this.extent.newestBytes);
    this.account.count(bytes, droppable - this.droppable);
    this.droppable = droppable;
  }

  dropOldest(): void {
    const { extent } = this;
    const oldest = this.oldest();
    // Only the newest row is left. What still counts beside it are rows of damaged entries.
    if (oldest === undefined || oldest.offset === extent.newest) return this.recount();
    extent.rows--;
    extent.bytes -= oldest.bytes;
    extent.droppedAt = oldest.cameAt;
    if (oldest.entry === undefined) {
      this.tailBytes -= oldest.bytes;
      this.tailAt++;
      this.compact();
    } else {
      this.old.shift();
      if (oldest.offset === oldest.entry) {
        this.dropped.push(oldest.entry);
        this.parts.onDropped();
      }
    }
    extent.first = oldest.offset + 1;
    extent.first = this.oldest()?.from ?? extent.first;
    this.count(-oldest.bytes);
  }

  private recount(): void {
    const { extent } = this;
    const excess = extent.bytes - extent.newestBytes;
    extent.rows = 1;
    extent.bytes -= excess;
    this.count(-excess);
  }

  /** Returns the oldest row. Its `entry` is undefined if the row is in the tail. */
  private oldest() {
    const row = this.old.peek(this.extent.first, this.onDisk);
    if (row !== undefined) return row;
    const first = this.tail[this.tailAt];
    return first && { ...first, bytes: weigh(first.row), entry: undefined };
  }

  private compact(): void {
    if (this.tailAt < this.tail.length && (this.tailAt < COMPACT_AT || this.tailAt * 2 < this.tail.length))
      return;
    this.tail = this.tail.slice(this.tailAt);
    this.tailAt = 0;
  }

  /** Returns the writes for the tail and for `waiting`. Readers see the rows of `waiting` once the writes are done. */
  prepare(waiting: readonly JournalRow[]): JournalBatch {
    const { number } = this.parts;
    const rows = [...this.tail.slice(this.tailAt), ...waiting];
    const last = rows.at(-1)?.offset ?? this.onDisk;
    const entries = intoEntries(rows, this.onDisk);
    const { dropped } = this;
    this.dropped = [];
    return {
      writes: [
        ...dropped.map((entry) => ({ key: entryKey(number, entry), value: undefined })),
        ...entries.map((entry) => ({
          key: entryKey(number, (entry.rows.at(-1) as JournalRow).offset),
          value: encodeEntry(entry),
        })),
      ],
      extent: { ...this.extent, ...extended(this.extent, waiting) },
      done: () => {
        this.written(
          last,
          entries.map(({ rows }) => (rows.at(-1) as JournalRow).offset),
        );
        if (waiting.length > 0) this.extend(waiting);
      },
      failed: () => {
        this.dropped = dropped.concat(this.dropped);
      },
    };
  }

  /** Notes that the tail is on the disk up to `last`. Some of these rows may have been dropped meanwhile. */
  private written(last: number, entries: readonly number[]): void {
    this.onDisk = last;
    for (; (this.tail[this.tailAt]?.offset ?? Infinity) <= last; this.tailAt++)
      this.tailBytes -= weigh((this.tail[this.tailAt] as JournalRow).row);
    this.compact();
    for (const entry of entries)
      if (entry < this.extent.first && entry !== this.extent.newest) {
        this.dropped.push(entry);
        this.parts.onDropped();
      }
  }

  read(offset: number, maxRows: number, maxBytes: number): BatchSlice | undefined {
    const start = Math.max(offset, this.extent.first);
    const onDisk = start <= this.onDisk && this.reader.rows(start, this.onDisk);
    return (
      (onDisk && sliceOf(onDisk, offset, maxRows, maxBytes)) ||
      sliceOf(this.tailFrom(start), offset, maxRows, maxBytes)
    );
  }

  private *tailFrom(offset: number): Iterable<JournalRow> {
    for (let i = this.find((row) => row.offset >= offset); i < this.tail.length; i++)
      yield this.tail[i] as JournalRow;
  }

  since(time: number): TimedStart {
    const { first, newest, droppedAt } = this.extent;
    const row =
      this.reader.since(time, first, this.onDisk) ?? this.tail[this.find(({ cameAt }) => cameAt >= time)];
    return { offset: row === undefined ? newest + 1 : Math.max(row.from, first), whole: droppedAt < time };
  }

  /** Returns the newest row that readers see. */
  newestRow(): JournalRow | undefined {
    return this.tail.length > this.tailAt
      ? this.tail.at(-1)
      : this.reader.newest(this.extent.first, this.onDisk);
  }

  /** Ends the journal: its bytes no longer count for any bound. */
  clear(): void {
    const { bytes } = this.extent;
    Object.assign(this.extent, { rows: 0, bytes: 0, newestBytes: 0 });
    this.count(-bytes);
  }

  /** Returns the index of the first row of the tail that is `late`. If there is none, the index after the last. */
  private find(late: (row: JournalRow) => boolean): number {
    let [low, high] = [this.tailAt, this.tail.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (late(this.tail[middle] as JournalRow)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Returns the bytes of rows, as they count for the bounds of journals. */
function sum(rows: readonly JournalRow[]): number {
  return rows.reduce((bytes, { row }) => bytes + weigh(row), 0);
}

/** Returns the fields of `extent` that further rows change. */
function extended(extent: Extent, rows: readonly JournalRow[]): Partial<Extent> {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return {};
  return {
    first: extent.rows === 0 ? first.from : extent.first,
    newest: last.offset,
    rows: extent.rows + rows.length,
    bytes: extent.bytes + sum(rows),
    newestBytes: weigh(last.row),
    cameAt: last.cameAt,
  };
}

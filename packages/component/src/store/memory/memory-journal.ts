import type { BatchSlice } from "@stanzapack/wire";
import type { Journal, TimedStart } from "../journal.js";
import type { Droppable, JournalAccount, JournalMemory } from "../base/journal-memory.js";
import type { Retention } from "../base/retention.js";

/**
 * Memory that an entry takes beside its row, in bytes, as measured: its object, the row's object, and the allocator's
 * share.
 */
const ENTRY_BYTES = 400;
/** From this many dropped entries on, the journal shortens the array. */
const COMPACT_AT = 1_024;

interface Entry {
  /** Less than `offset` if the publisher left out the positions between. */
  readonly from: number;
  readonly offset: number;
  readonly at: number;
  /** When the row arrived, in ms since 1970. Never less than the `cameAt` of the entry before. */
  readonly cameAt: number;
  readonly row: Uint8Array;
}

/**
 * Keeps the newest updates in memory, within its own bounds and the shared bounds of all journals. Beyond a bound, the
 * oldest updates are dropped. The newest always stays.
 */
export class MemoryJournal implements Journal, Droppable {
  /** Entries before `head` were dropped, and are undefined. */
  private entries: (Entry | undefined)[] = [];
  /** Index of the first entry that is kept. */
  private head = 0;
  private held = 0;
  private newestOffset: number;
  private newestCameAt = -Infinity;
  /** When the newest dropped update arrived, in ms since 1970. */
  private droppedCameAt = -Infinity;
  /** Bytes of all updates but the newest: the journal may drop them. */
  private droppable = 0;
  private readonly account: JournalAccount;

  constructor(
    private readonly retention: () => Retention,
    memory: JournalMemory,
    /** Bare JID whose bound the journal counts for. */
    owner: string,
    /** The last offset before the journal's first update. */
    before = 0,
  ) {
    this.newestOffset = before;
    this.account = memory.open(owner, this);
  }

  get bytes(): number {
    return this.held;
  }
  get first(): number {
    return this.entries[this.head]?.from ?? this.newestOffset + 1;
  }
  /** Offset of the newest update. */
  get newest(): number {
    return this.newestOffset;
  }

  append(
    from: number,
    to: number,
    rows: readonly Uint8Array[],
    ats: readonly number[],
    cameAt: number,
  ): void {
    const firstRow = to - rows.length + 1;
    this.newestCameAt = Math.max(this.newestCameAt, cameAt);
    let bytes = 0;
    for (const [i, row] of rows.entries()) {
      const offset = firstRow + i;
      const entry = { from: i === 0 ? from : offset, offset, at: ats[i] as number };
      this.entries.push({ ...entry, cameAt: this.newestCameAt, row });
      bytes += ENTRY_BYTES + row.length;
    }
    this.count(bytes);
    this.newestOffset = to;
    this.fit(this.retention());
    this.account.settle();
  }

  private get length(): number {
    return this.entries.length - this.head;
  }

  private count(bytes: number): void {
    this.held += bytes;
    const last = this.length > 0 ? this.entries[this.entries.length - 1] : undefined;
    const droppable = last === undefined ? 0 : this.held - ENTRY_BYTES - last.row.length;
    this.account.count(bytes, droppable - this.droppable);
    this.droppable = droppable;
  }

  dropOldest(): void {
    const { row, cameAt } = this.entries[this.head] as Entry;
    this.droppedCameAt = cameAt;
    this.entries[this.head++] = undefined;
    this.count(-ENTRY_BYTES - row.length);
    if (this.head < COMPACT_AT || this.head * 2 < this.entries.length) return;
    this.entries = this.entries.slice(this.head);
    this.head = 0;
  }

  private fit({ maxRows, maxBytes }: Retention): void {
    while (this.length > 1 && (this.length > maxRows || this.held > maxBytes)) this.dropOldest();
  }

  /** Drops updates beyond the bounds. Keeps the newest update in any case. `now`: in ms since 1970. */
  trim(now: number): void {
    const retention = this.retention();
    this.fit(retention);
    const before = now - retention.maxAgeMs;
    while (this.length > 1 && (this.entries[this.head] as Entry).cameAt < before) this.dropOldest();
  }

  read(offset: number, maxRows: number, maxBytes: number): BatchSlice | undefined {
    const start = this.find((entry) => entry.offset >= offset);
    const first = this.entries[start];
    if (first === undefined) return undefined;
    const rows = [first.row];
    let bytes = first.row.length;
    let last = first;
    for (let i = start + 1; rows.length < maxRows; i++) {
      const next = this.entries[i];
      if (next === undefined || next.from !== last.offset + 1 || next.from !== next.offset) break;
      bytes += next.row.length;
      if (bytes > maxBytes) break;
      rows.push(next.row);
      last = next;
    }
    const from = Math.max(first.from, Math.min(offset, first.offset));
    return { from, to: last.offset, rows, firstAt: first.at, lastAt: last.at };
  }

  since(time: number): TimedStart {
    const offset = this.entries[this.find((entry) => entry.cameAt >= time)]?.from ?? this.newestOffset + 1;
    return { offset, whole: this.droppedCameAt < time };
  }

  clear(): void {
    this.entries = [];
    this.head = 0;
    this.count(-this.held);
  }

  /** Returns the index of the first entry that is `late`. If there is none, the index after the last. */
  private find(late: (entry: Entry) => boolean): number {
    let [low, high] = [this.head, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (late(this.entries[middle] as Entry)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

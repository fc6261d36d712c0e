import type { BatchSlice } from "@stanzapack/wire";
import type { Journal } from "./journal.js";

/** What an entry takes beside its row, in bytes, about. */
const ENTRY_BYTES = 280;
/** Entries dropped in front are given back when they are so many. */
const COMPACT_AT = 1_024;

/** What all journals hold together. */
export interface JournalMemory {
  used: number;
  readonly maxBytes: number;
}

export interface JournalBounds {
  readonly maxRows: number;
  readonly maxBytes: number;
}

interface Entry {
  /** Less than `offset` where its publisher left out what lies between. */
  readonly from: number;
  readonly offset: number;
  readonly at: number;
  readonly row: Uint8Array;
}

/** The newest updates, within bounds of its own and of all journals together; the oldest make room. */
export class MemoryJournal implements Journal {
  /** Undefined before `head`: dropped. */
  private entries: (Entry | undefined)[] = [];
  /** Before this one they are dropped. */
  private head = 0;
  private held = 0;
  private newest = 0;

  constructor(
    private readonly bounds: JournalBounds,
    private readonly memory: JournalMemory,
  ) {}

  get bytes(): number {
    return this.held;
  }
  get first(): number {
    return this.entries[this.head]?.from ?? this.newest + 1;
  }

  append(from: number, to: number, rows: readonly Uint8Array[], ats: readonly number[]): void {
    const firstRow = to - rows.length + 1;
    for (const [i, row] of rows.entries()) {
      const offset = firstRow + i;
      this.entries.push({ from: i === 0 ? from : offset, offset, at: ats[i] as number, row });
      this.count(ENTRY_BYTES + row.length);
    }
    this.newest = to;
    const { bounds, memory } = this;
    while (
      this.entries.length - this.head > 1 &&
      (this.entries.length - this.head > bounds.maxRows ||
        this.held > bounds.maxBytes ||
        memory.used > memory.maxBytes)
    )
      this.dropOldest();
  }

  private count(bytes: number): void {
    this.held += bytes;
    this.memory.used += bytes;
  }

  private dropOldest(): void {
    const { row } = this.entries[this.head] as Entry;
    this.count(-ENTRY_BYTES - row.length);
    this.entries[this.head++] = undefined;
    if (this.head < COMPACT_AT || this.head * 2 < this.entries.length) return;
    this.entries = this.entries.slice(this.head);
    this.head = 0;
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

  since(at: number): number {
    return this.entries[this.find((entry) => entry.at >= at)]?.from ?? this.newest + 1;
  }

  clear(): void {
    this.count(-this.held);
    this.entries = [];
    this.head = 0;
  }

  /** Index of the first entry that is `late`; one beyond the last where none is. Clocks only go forward here, or nearly. */
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

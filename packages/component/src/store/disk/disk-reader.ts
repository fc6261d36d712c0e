import type { Engine } from "./engine.js";
import { decodeEntry, type JournalRow } from "../base/entries.js";
import { entryKey, offsetIn } from "./keys.js";
import type { OffsetRange } from "../store.js";

/** Reads the entries of one journal on the disk. Reports damaged and missing entries. Readers see a hole there. */
export class DiskReader {
  constructor(
    private readonly engine: Engine,
    private readonly number: number,
    private readonly onLost: (range: OffsetRange) => void,
  ) {}

  /** Returns the rows with offsets from `first` to `last`, both included. */
  *rows(first: number, last: number): Iterable<JournalRow> {
    let before = first - 1;
    for (const { key, value } of this.engine.range(
      entryKey(this.number, first),
      entryKey(this.number, last + 1),
    )) {
      const to = offsetIn(key);
      if (value === undefined) this.onLost({ from: before + 1, to });
      else {
        const entry = decodeEntry(value);
        // The entry names the offset before it. An entry in between is missing.
        if (before >= first && entry.before > before) this.onLost({ from: before + 1, to: entry.before });
        for (const row of entry.rows) if (row.offset >= first) yield row;
      }
      before = to;
    }
  }

  /** Returns the first row from `first` to `last` that arrived at `time` or later, in ms since 1970. */
  since(time: number, first: number, last: number): JournalRow | undefined {
    let [low, high] = [first, last + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = this.firstOf(middle, last);
      if (row === undefined || row.cameAt >= time) high = middle;
      else low = Math.max(row.offset, middle) + 1;
    }
    return this.firstOf(low, last);
  }

  private firstOf(first: number, last: number): JournalRow | undefined {
    for (const row of this.rows(first, last)) return row;
    return undefined;
  }

  /** Returns the newest row with an offset from `first` to `last`. */
  newest(first: number, last: number): JournalRow | undefined {
    const bounds = [entryKey(this.number, first), entryKey(this.number, last + 1)] as const;
    for (const { value } of this.engine.range(...bounds, { reverse: true }))
      if (value !== undefined) return decodeEntry(value).rows.at(-1);
    return undefined;
  }
}

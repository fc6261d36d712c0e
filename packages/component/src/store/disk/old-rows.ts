import type { Engine } from "./engine.js";
import { decodeEntry, weigh } from "../base/entries.js";
import { entriesFrom, entryKey, offsetIn } from "./keys.js";
import type { OffsetRange } from "../store.js";

/** Rows that one load reads, at least, if the journal has as many. */
const AHEAD = 64;

/** The facts about a row on the disk that a journal needs to drop the row. */
interface OldRow {
  readonly from: number;
  readonly offset: number;
  /** Bytes that the row counts for bounds. */
  readonly bytes: number;
  /** In ms since 1970. */
  readonly cameAt: number;
  /** Last offset of the row's entry. */
  readonly entry: number;
}

/** Reads the oldest rows of one journal on the disk, some entries ahead. */
export class OldRows {
  private rows: OldRow[] = [];
  private at = 0;

  constructor(
    private readonly engine: Engine,
    private readonly number: number,
    private readonly onLost: (range: OffsetRange) => void,
  ) {}

  /** Returns the oldest row with an offset from `first` to `last`. Undefined: there is none. */
  peek(first: number, last: number): OldRow | undefined {
    if (this.at === this.rows.length && first <= last) this.load(first, last);
    const row = this.rows[this.at];
    return row !== undefined && row.offset <= last ? row : undefined;
  }

  /** Goes on to the next row, because the row of `peek` was dropped. */
  shift(): void {
    this.at++;
  }

  private load(first: number, last: number): void {
    this.rows = [];
    this.at = 0;
    const { from } = entriesFrom(this.number, first);
    let next = first;
    for (const { key, value } of this.engine.range(from, entryKey(this.number, last + 1))) {
      const entry = offsetIn(key);
      if (value === undefined) {
        this.onLost({ from: next, to: entry });
        next = entry + 1;
        continue;
      }
      for (const { from, offset, cameAt, row } of decodeEntry(value).rows)
        if (offset >= first) this.rows.push({ from, offset, bytes: weigh(row), cameAt, entry });
      next = entry + 1;
      if (this.rows.length >= AHEAD) return;
    }
  }
}

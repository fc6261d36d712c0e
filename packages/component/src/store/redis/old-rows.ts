import { weigh, type JournalRow } from "../base/entries.js";
import type { RedisReader } from "./redis-reader.js";

/** Bytes that one read brings, about. */
const AHEAD_BYTES = 65_536;

/** The facts about a row that a journal needs to drop the row. */
export interface OldRow {
  readonly from: number;
  readonly offset: number;
  /** As the row counts for bounds. */
  readonly bytes: number;
  /** When the row arrived, in ms since 1970. */
  readonly cameAt: number;
}

/** Knows the oldest rows of one journal in Redis, some entries ahead. */
export class OldRows {
  private rows: readonly OldRow[] = [];
  private index = 0;
  private isLoading = false;
  /** All rows up to this offset are known, or are not there. */
  private until = -1;

  constructor(
    private readonly reader: RedisReader,
    /** Called when rows are known that `at` did not know before. */
    private readonly onLoaded: () => void,
  ) {}

  /** These rows were read for another reason. */
  set(rows: readonly JournalRow[]): void {
    this.rows = rows.map(toOldRow);
    this.index = 0;
    this.until = rows.at(-1)?.offset ?? -1;
  }

  clear(): void {
    this.set([]);
  }

  /** Returns the first row from `offset` on. Undefined: `load` has to be called first. */
  at(offset: number): OldRow | undefined {
    for (; ; this.index++) {
      const row = this.rows[this.index];
      if (row === undefined || row.offset >= offset) return row;
    }
  }

  /** Whether Redis has no row from `offset` up to `last`. */
  lacks(offset: number, last: number): boolean {
    return this.until >= last && this.at(offset) === undefined;
  }

  /** Reads rows from `offset` to `last`, and then calls `onLoaded`. A later call tries again what has failed. */
  load(offset: number, last: number): void {
    if (this.isLoading) return;
    this.isLoading = true;
    void this.reader
      .read(offset, last, AHEAD_BYTES)
      .then(
        ({ rows, to }) => {
          this.set(rows);
          this.until = to;
          return true;
        },
        () => false,
      )
      .then((isLoaded) => {
        this.isLoading = false;
        if (isLoaded) this.onLoaded();
      });
  }
}

export function toOldRow({ from, offset, row, cameAt }: JournalRow): OldRow {
  return { from, offset, bytes: weigh(row), cameAt };
}

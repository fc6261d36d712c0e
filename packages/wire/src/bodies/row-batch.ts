import { StanzapackError } from "../base/errors.js";

/** Positions `from`..`to`. `rows` are the newest of them; the other positions were conflated. */
export interface BatchSlice {
  readonly from: number;
  readonly to: number;
  readonly rows: readonly Uint8Array[];
  /** Clock of the first and of the last row, in ms. */
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface BatchBounds {
  /** Most rows kept. Older rows are conflated. */
  readonly maxRows: number;
  /** Most bytes of rows kept. */
  readonly maxBytes: number;
}

interface Run {
  from: number;
  to: number;
  rows: Uint8Array[];
  ats: number[];
  bytes: number;
}

/**
 * Rows that wait for the next tick of one window, with their positions, bounded.
 *
 * - Beyond the bounds the oldest rows are conflated: their positions stay in the range of the rows that follow.
 * - A jump in positions begins a new slice, so that a loss stays a loss.
 * - Rows that are dropped before a jump join that loss. No row is left that could carry them as conflated.
 * - The batch knows no epoch. Take or clear the rows before positions begin anew.
 */
export class RowBatch {
  private runs: Run[] = [];
  private rowCount = 0;
  private byteCount = 0;

  constructor(private readonly bounds: BatchBounds) {}

  get empty(): boolean {
    return this.runs.length === 0;
  }
  get rows(): number {
    return this.rowCount;
  }
  get bytes(): number {
    return this.byteCount;
  }

  /**
   * Adds the positions `from`..`to`. `rows` are the newest of them, at least one; `ats` has the clock of each row, in
   * ms.
   */
  push(from: number, to: number, rows: readonly Uint8Array[], ats: readonly number[]): void {
    if (rows.length === 0 || rows.length > to - from + 1 || ats.length !== rows.length)
      throw new StanzapackError("internal", `${rows.length} rows cannot stand for ${from}..${to}`);
    let run = this.runs[this.runs.length - 1];
    // Conflated positions can only be the oldest part of a slice. So a range with conflated positions begins a new
    // slice.
    if (run === undefined || run.to + 1 !== from || to - from + 1 > rows.length) {
      run = { from, to, rows: [], ats: [], bytes: 0 };
      this.runs.push(run);
    }
    run.to = to;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as Uint8Array;
      run.rows.push(row);
      run.ats.push(ats[i] as number);
      run.bytes += row.length;
      this.byteCount += row.length;
    }
    this.rowCount += rows.length;
    while (
      this.rowCount > 1 &&
      (this.rowCount > this.bounds.maxRows || this.byteCount > this.bounds.maxBytes)
    )
      this.dropOldest();
  }

  /** Keeps only the newest row of each part between jumps. The older rows of the part count as conflated. */
  conflate(): void {
    const kept: Run[] = [];
    for (const run of this.runs) {
      const before = kept[kept.length - 1];
      const joins = before !== undefined && before.to + 1 === run.from;
      if (joins) kept.pop();
      // A copy: a kept row must not keep the buffer of its whole batch alive.
      const row = new Uint8Array(run.rows[run.rows.length - 1] as Uint8Array);
      const at = run.ats[run.ats.length - 1] as number;
      kept.push({
        from: joins ? before.from : run.from,
        to: run.to,
        rows: [row],
        ats: [at],
        bytes: row.length,
      });
    }
    this.runs = kept;
    this.rowCount = kept.length;
    this.byteCount = kept.reduce((sum, run) => sum + run.bytes, 0);
  }

  private dropOldest(): void {
    const run = this.runs[0] as Run;
    const row = run.rows.shift() as Uint8Array;
    run.ats.shift();
    run.bytes -= row.length;
    this.byteCount -= row.length;
    this.rowCount--;
    if (run.rows.length > 0) return;
    this.runs.shift();
    const next = this.runs[0];
    // The next run takes these positions over as conflated, unless a loss lies between: a loss must not show as
    // conflated.
    if (next !== undefined && next.from === run.to + 1) next.from = run.from;
  }

  /** Takes everything that waits: `slices`, then `clear`. */
  take(maxRowsPerSlice: number, maxBytesPerSlice: number): BatchSlice[] {
    const taken = this.slices(maxRowsPerSlice, maxBytesPerSlice);
    this.clear();
    return taken;
  }

  /** Clock of the oldest row that waits, in ms. Infinity when empty. */
  get oldestAt(): number {
    return this.runs[0]?.ats[0] ?? Infinity;
  }

  /** Newest position that waits; 0 when empty. */
  get to(): number {
    return this.runs[this.runs.length - 1]?.to ?? 0;
  }

  /** Everything that waits, in slices of at most the given size (a single larger row makes a slice of its own). */
  slices(maxRowsPerSlice: number, maxBytesPerSlice: number): BatchSlice[] {
    const slices: BatchSlice[] = [];
    for (const run of this.runs) {
      let from = run.from;
      let start = 0;
      while (start < run.rows.length) {
        let end = start;
        let bytes = 0;
        while (end < run.rows.length && end - start < Math.max(1, maxRowsPerSlice)) {
          const length = (run.rows[end] as Uint8Array).length;
          if (end > start && bytes + length > maxBytesPerSlice) break;
          bytes += length;
          end++;
        }
        const to = run.to - (run.rows.length - end);
        slices.push({
          from,
          to,
          rows: run.rows.slice(start, end),
          firstAt: run.ats[start] as number,
          lastAt: run.ats[end - 1] as number,
        });
        from = to + 1;
        start = end;
      }
    }
    return slices;
  }

  clear(): void {
    this.runs = [];
    this.rowCount = 0;
    this.byteCount = 0;
  }
}

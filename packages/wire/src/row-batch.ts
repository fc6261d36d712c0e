/** Positions `from`..`to`; `rows` are the newest of them, the rest was conflated. */
export interface BatchSlice {
  readonly from: number;
  readonly to: number;
  readonly rows: readonly Uint8Array[];
  /** Clock of the first and of the last row, in ms. */
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface BatchBounds {
  /** Most rows kept; older ones are conflated away. */
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
 * What waits for the next tick of one window: rows with their positions, bounded; beyond the bounds the oldest rows are
 * conflated (their positions stay in the range). A jump in positions begins a new slice, so that a loss stays a loss.
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

  /** Adds a range whose newest positions are `rows`, with the clock of each. */
  push(from: number, to: number, rows: readonly Uint8Array[], ats: readonly number[]): void {
    let run = this.runs[this.runs.length - 1];
    // A conflated range can only join rows as the slice's older part, so it begins a slice when rows already wait.
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

  /** Keeps the newest row alone; everything before it counts as conflated. Slices across a jump stay apart. */
  conflate(): void {
    while (this.rowCount > 1) this.dropOldest();
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
    // Its positions are conflated into what follows.
    if (next !== undefined) next.from = run.from;
  }

  /** Everything that waits, in slices of at most the given size (a single larger row makes a slice of its own). */
  take(maxRowsPerSlice: number, maxBytesPerSlice: number): BatchSlice[] {
    const slices: BatchSlice[] = [];
    for (const run of this.runs) {
      let from = run.from;
      let start = 0;
      while (start < run.rows.length) {
        let end = start;
        let bytes = 0;
        while (end < run.rows.length && end - start < maxRowsPerSlice) {
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
    this.clear();
    return slices;
  }

  clear(): void {
    this.runs = [];
    this.rowCount = 0;
    this.byteCount = 0;
  }
}

/** Most runs that are remembered of one subscription. 1,024: a log seldom has a hole, so there are mostly one or two. */
const MAX_RUNS = 1_024;

/** Rows that were sent and that the consumer has not taken. */
interface Run {
  rows: number;
  /** Offset of the last row. */
  to: number;
  /** The offsets of the rows follow one another, so the offset of each row is known. */
  isSolid: boolean;
}

/**
 * Remembers which offsets the rows of a subscription had, so that a number of rows can be read as an offset. Beyond
 * `MAX_RUNS` holes the newest rows count as taken only all together.
 */
export class CursorTrail {
  private readonly runs: Run[] = [];
  /** Rows that the consumer has taken since the subscription began. */
  private taken = 0;

  /** Everything that was sent is taken. */
  get isEmpty(): boolean {
    return this.runs.length === 0;
  }

  /**
   * Rows were sent. Of a log, the last one has the offset `to`, and the others those before it. `isWhole`, of a map:
   * the rows are taken all together.
   */
  sent(rows: number, to: number, isWhole = false): void {
    if (rows === 0) return;
    const last = this.runs.at(-1);
    const follows = !isWhole && last?.isSolid === true && last.to + rows === to;
    if (last === undefined || (!follows && this.runs.length < MAX_RUNS)) {
      this.runs.push({ rows, to, isSolid: !isWhole });
      return;
    }
    last.isSolid = follows;
    last.rows += rows;
    last.to = to;
  }

  /**
   * The consumer has taken `total` rows since the subscription began. Returns the offset of the last one of them.
   * Undefined: no row more than before.
   */
  took(total: number): number | undefined {
    let offset: number | undefined;
    for (let [run] = this.runs; run !== undefined && total > this.taken; [run] = this.runs) {
      const rows = Math.min(total - this.taken, run.rows);
      if (rows < run.rows && !run.isSolid) break;
      this.taken += rows;
      run.rows -= rows;
      offset = run.to - run.rows;
      if (run.rows === 0) this.runs.shift();
    }
    return offset;
  }
}

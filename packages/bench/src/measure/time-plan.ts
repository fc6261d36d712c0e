import type { Batch } from "../wire/axes.js";

/** Bounds of one run, in ms. */
interface Bounds {
  /** Time for everything, however much is measured. */
  readonly totalMs: number;
  /** Longest and shortest time for which one batch is measured. */
  readonly longestMs: number;
  readonly shortestMs: number;
}

/** Bounds of the full run: at most an hour. 90 s are 90 windows of a second. */
export const FULL: Bounds = { totalMs: 55 * 60_000, longestMs: 90_000, shortestMs: 5_000 };
/** Bounds of the quick run: two minutes. The beginning of each stream weighs more. */
export const QUICK: Bounds = { totalMs: 110_000, longestMs: 10_000, shortestMs: 2_000 };

/** First guesses for a machine with two processors, in ms. Measured times replace them. */
const SERVER_START_MS = 8_000;
const CONNECT_MS = 150;
const BATCH_MS = 2_000;

/** Time that a batch takes beside its measurement, in ms. */
function guessOverheadMs(batch: Batch): number {
  return BATCH_MS + batch.windowMs + batch.workloads.length * batch.forms.length * CONNECT_MS;
}

/**
 * The pace of one server's batches. It decides how long each is measured so that all end in time, and estimates the
 * time left, from the time of the batches before.
 */
export class Pace {
  private overheadMs = 0;
  private measuredMs = 0;
  private done = 0;
  private readonly guessMs: number;

  constructor(
    private readonly batches: readonly Batch[],
    private readonly bounds: Bounds,
    /** Time of each batch that the user chose. Then the bounds do not count. */
    private readonly forMs?: number,
  ) {
    this.guessMs = batches.reduce((sum, batch) => sum + guessOverheadMs(batch), SERVER_START_MS);
  }

  /** Time for which to measure the next batch, in ms. `leftMs`: time until all must be done. */
  nextForMs(leftMs: number): number {
    if (this.forMs !== undefined) return this.forMs;
    const { longestMs, shortestMs } = this.bounds;
    const count = this.batches.length - this.done;
    const forMs = Math.floor((leftMs - this.restOverheadMs) / count / 100) * 100;
    return Math.max(shortestMs, Math.min(longestMs, forMs));
  }

  /** Records a batch that was measured for `forMs` and took `tookMs` in all. */
  add(tookMs: number, forMs: number): void {
    this.overheadMs += tookMs - forMs;
    this.measuredMs += forMs;
    this.done++;
  }

  /** Estimated time of the batches that are left, in ms. */
  get leftMs(): number {
    const count = this.batches.length - this.done;
    const forMs = this.done > 0 ? this.measuredMs / this.done : (this.forMs ?? this.bounds.longestMs);
    return count === 0 ? 0 : count * forMs + this.restOverheadMs;
  }

  private get restOverheadMs(): number {
    const count = this.batches.length - this.done;
    return this.done > 0 ? (this.overheadMs / this.done) * count : this.guessMs;
  }
}

/** A time as `3 min` or `45 s`. */
export function formatTimeLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

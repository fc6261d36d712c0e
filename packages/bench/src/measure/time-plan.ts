import type { Batch } from "../wire/axes.js";

/** Bounds of one run, in ms. */
interface Bounds {
  /** For everything, however much was asked for. */
  readonly totalMs: number;
  /** Longest that one batch is measured, and shortest. */
  readonly longestMs: number;
  readonly shortestMs: number;
}

/** The whole: at most an hour. A minute and a half is 90 windows of a second. */
export const FULL: Bounds = { totalMs: 55 * 60_000, longestMs: 90_000, shortestMs: 5_000 };
/** Two minutes, and the beginning of each stream weighs more. */
export const QUICK: Bounds = { totalMs: 110_000, longestMs: 10_000, shortestMs: 2_000 };

/** First guesses on a machine with two processors, in ms; what is measured replaces them. */
const SERVER_START_MS = 8_000;
const CONNECT_MS = 150;
const BATCH_MS = 2_000;

/** What a batch takes beside the time that it measures, in ms. */
function guessOverheadMs(batch: Batch): number {
  return BATCH_MS + batch.windowMs + batch.workloads.length * batch.forms.length * CONNECT_MS;
}

/**
 * The pace of one line of batches, those of one server: how long each is measured so that all end in time, and how long
 * that will be, from what the ones before took.
 */
export class Pace {
  private overheadMs = 0;
  private measuredMs = 0;
  private done = 0;
  private readonly guessMs: number;

  constructor(
    private readonly batches: readonly Batch[],
    private readonly bounds: Bounds,
    /** What was asked for: then the bounds do not count. */
    private readonly forMs?: number,
  ) {
    this.guessMs = batches.reduce((sum, batch) => sum + guessOverheadMs(batch), SERVER_START_MS);
  }

  /** How long to measure the next batch, in ms. `leftMs`: until all must be done. */
  nextForMs(leftMs: number): number {
    if (this.forMs !== undefined) return this.forMs;
    const { longestMs, shortestMs } = this.bounds;
    const count = this.batches.length - this.done;
    const forMs = Math.floor((leftMs - this.restOverheadMs) / count / 100) * 100;
    return Math.max(shortestMs, Math.min(longestMs, forMs));
  }

  /** One more is done: it was measured for `forMs` and took so long in all. */
  add(tookMs: number, forMs: number): void {
    this.overheadMs += tookMs - forMs;
    this.measuredMs += forMs;
    this.done++;
  }

  /** What the rest will take, in ms. */
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

/** `3 min`, `45 s` */
export function formatTimeLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

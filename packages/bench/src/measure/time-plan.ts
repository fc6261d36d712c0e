import type { Batch } from "../wire/axes.js";

/** Bounds of one run, in ms. */
interface Bounds {
  /** Time for everything, however much is measured. */
  readonly totalMs: number;
  /** Time for which one batch is measured where the total allows it, or as many windows if they take longer. */
  readonly enoughMs: number;
  readonly enoughWindows: number;
  /** Shortest time for which one batch is measured. */
  readonly shortestMs: number;
}

/**
 * Bounds of the full run. The bytes of subscribing are counted, so a short measurement would decide by them: a batch of
 * windows of a second is measured for 200 windows.
 */
export const FULL: Bounds = {
  totalMs: 75 * 60_000,
  enoughMs: 90_000,
  enoughWindows: 200,
  shortestMs: 5_000,
};
/** Bounds of the quick run: two minutes. The beginning of each stream weighs more. */
export const QUICK: Bounds = { totalMs: 110_000, enoughMs: 10_000, enoughWindows: 0, shortestMs: 2_000 };

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
  private done = 0;
  /** How long the batches were measured, as a part of what would be enough. */
  private share = 1;
  private readonly guessMs: number;
  /** Time for which each batch is measured where the total allows it, in ms. */
  private readonly enough: readonly number[];

  constructor(
    private readonly batches: readonly Batch[],
    private readonly bounds: Bounds,
    /** Time of each batch that the user chose. Then the bounds do not count. */
    private readonly forMs?: number,
  ) {
    this.guessMs = batches.reduce((sum, batch) => sum + guessOverheadMs(batch), SERVER_START_MS);
    const { enoughMs, enoughWindows } = bounds;
    this.enough = batches.map(({ windowMs }) => forMs ?? Math.max(enoughMs, enoughWindows * windowMs));
  }

  /** Time for which to measure the next batch, in ms. `leftMs`: time until all must be done. */
  nextForMs(leftMs: number): number {
    if (this.forMs !== undefined) return this.forMs;
    this.share = Math.max(0, Math.min(1, (leftMs - this.restOverheadMs) / this.restEnoughMs));
    const forMs = Math.floor(((this.enough[this.done] ?? 0) * this.share) / 100) * 100;
    return Math.max(this.bounds.shortestMs, forMs);
  }

  /** Records a batch that was measured for `forMs` and took `tookMs` in all. */
  add(tookMs: number, forMs: number): void {
    this.overheadMs += tookMs - forMs;
    this.done++;
  }

  /** Estimated time of the batches that are left, in ms. */
  get leftMs(): number {
    return this.done === this.batches.length ? 0 : this.restEnoughMs * this.share + this.restOverheadMs;
  }

  private get restEnoughMs(): number {
    return this.enough.slice(this.done).reduce((sum, ms) => sum + ms, 0);
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

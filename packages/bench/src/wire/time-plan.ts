import type { Batch } from "./axes.js";

/** Bounds of one run, in ms. */
interface Pace {
  /** For everything, however much was asked for. */
  readonly totalMs: number;
  /** Longest that one batch is measured, and shortest. */
  readonly longestMs: number;
  readonly shortestMs: number;
}

/** The whole: at most an hour. A minute and a half is 90 windows of a second, and three times the schedule of keyframes. */
const FULL: Pace = { totalMs: 55 * 60_000, longestMs: 90_000, shortestMs: 5_000 };
/** Two minutes for everything: the servers side by side, and the beginning of each stream weighs more. */
const QUICK: Pace = { totalMs: 110_000, longestMs: 10_000, shortestMs: 1_000 };

/** First guesses on a machine with two processors, in ms; what is measured replaces them. */
const SERVER_START_MS = 8_000;
const CONNECT_MS = 100;
const BATCH_MS = 2_000;

/** What a batch takes beside the time that it measures, in ms. */
function guessOverheadMs(batch: Batch, parallel: number): number {
  return BATCH_MS + batch.windowMs + batch.workloads.length * batch.forms.length * CONNECT_MS * parallel;
}

/** How long each batch is measured, in ms. */
export function chooseForMs(batches: readonly Batch[], quick: boolean): number {
  const { totalMs, longestMs, shortestMs } = quick ? QUICK : FULL;
  const servers = new Set(batches.map(({ hop }) => hop.server)).size;
  // Side by side they share the processors, so connecting takes them as long as one after the other.
  const lines = quick ? servers : 1;
  const inLine = batches.length / lines;
  const overheadMs = batches.reduce((sum, batch) => sum + guessOverheadMs(batch, lines), 0) / lines;
  const startsMs = quick ? SERVER_START_MS * 1.5 : SERVER_START_MS * servers;
  const forMs = Math.floor((totalMs - startsMs - overheadMs) / inLine / 100) * 100;
  return Math.max(shortestMs, Math.min(longestMs, forMs));
}

/** Tells how long one line of batches still takes, from what the ones before took. */
export class TimeLeft {
  private measuredMs = 0;
  private done = 0;

  constructor(
    private readonly batches: readonly Batch[],
    private readonly forMs: number,
  ) {}

  /** One more is done, and took so long. */
  add(tookMs: number): void {
    this.measuredMs += tookMs;
    this.done++;
  }

  /** In ms. */
  get leftMs(): number {
    const left = this.batches.slice(this.done);
    if (left.length === 0) return 0;
    if (this.done > 0) return (this.measuredMs / this.done) * left.length;
    return left.reduce((sum, batch) => sum + this.forMs + guessOverheadMs(batch, 1), SERVER_START_MS);
  }
}

/** `3 min`, `45 s` */
export function formatTimeLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

import { monotonicNow } from "@stanzapack/xmpp";

/** All ticks fall on multiples of this, in ms, so that lanes that are due together leave together. */
export const TICK_MS = 25;

/**
 * One timer for everything that waits for a tick: items are kept by their due time, rounded up to `TICK_MS`. Idle, it
 * holds no timer at all.
 */
export class TickClock<T> {
  private readonly buckets = new Map<number, Set<T>>();
  private timer: NodeJS.Timeout | undefined;
  private next = Infinity;

  constructor(
    private readonly onTick: (due: readonly T[], now: number) => void,
    private readonly now: () => number = monotonicNow,
  ) {}

  /** `item` becomes due at the first tick at or after `at`. Returns that tick. */
  add(item: T, at: number): number {
    const due = Math.ceil(at / TICK_MS) * TICK_MS;
    let bucket = this.buckets.get(due);
    if (bucket === undefined) this.buckets.set(due, (bucket = new Set()));
    bucket.add(item);
    if (due < this.next) this.arm(due);
    return due;
  }

  /** Takes an item off the tick that `add` gave. */
  remove(item: T, due: number): void {
    this.buckets.get(due)?.delete(item);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.buckets.clear();
    this.next = Infinity;
  }

  private arm(due: number): void {
    this.next = due;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fire(), Math.max(0, Math.ceil(due - this.now())));
  }

  private fire(): void {
    this.timer = undefined;
    this.next = Infinity;
    const now = this.now();
    const due: T[] = [];
    let next = Infinity;
    for (const [at, bucket] of this.buckets) {
      if (at <= now) {
        for (const item of bucket) due.push(item);
        this.buckets.delete(at);
      } else if (at < next) next = at;
    }
    // Armed before the callback, which may add an item for an earlier tick, and so arm the timer again.
    if (next !== Infinity) this.arm(next);
    if (due.length > 0) this.onTick(due, now);
  }
}

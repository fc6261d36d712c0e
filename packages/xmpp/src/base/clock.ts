/**
 * `wallAheadMs` ignores changes of the wall clock up to this, in ms: they are jitter. The value is 5, because the
 * process may be held up between the readings of the two clocks.
 */
const JITTER_MS = 5;

/** Wall clock at the program's start. With it, windows of programs whose wall clocks agree begin together. */
const ORIGIN_MS = Math.round(Date.now() - performance.now());

let aheadMs = 0;

/**
 * The clock of everything that is scheduled or measured, in ms with fractions. It never goes back, even when somebody
 * sets the wall clock. At the start of the program it nearly equals the wall clock. While the machine sleeps it may
 * stand still, as timers do.
 */
export function monotonicNow(): number {
  return ORIGIN_MS + performance.now();
}

/**
 * The time of day in whole ms since 1970, for people and other machines. Somebody may set it forward or back at any
 * moment.
 */
export function wallNow(): number {
  return Date.now();
}

/**
 * How far the wall clock is ahead of `monotonicNow` now, in ms; negative when the wall clock is behind. Add the result
 * to a time of `monotonicNow` to get wall time. Subtract it from wall time to get a time of `monotonicNow`. The result
 * changes only when the two clocks have moved apart by more than 5 ms, as when somebody sets the wall clock.
 */
export function wallAheadMs(): number {
  const ahead = Date.now() - monotonicNow();
  if (Math.abs(ahead - aheadMs) > JITTER_MS) aheadMs = ahead;
  return aheadMs;
}

/** The wall clock must differ by more than this, in ms, or its readings are taken for jitter. 5: a reading may be held up. */
const JITTER_MS = 5;

/** So that windows of programs whose clocks agree begin together. */
const ORIGIN_MS = Math.round(Date.now() - performance.now());

let aheadMs = 0;

/**
 * The clock of everything that is scheduled or measured, in ms with fractions: it only goes forward, whoever sets the time. Its zero is
 * near that of the wall clock when the program began. Where the machine sleeps it may stand still, as timers do.
 */
export function monotonicNow(): number {
  return ORIGIN_MS + performance.now();
}

/** The time of day in whole ms since 1970, for people and other machines: somebody may set it at any moment, also back. */
export function wallNow(): number {
  return Date.now();
}

/**
 * How far the wall clock is ahead of `monotonicNow` now, in ms, negative where it is behind: add it to a moment to tell it, subtract it from
 * one that was told. It changes when the wall clock is set, and not by less than 5 ms.
 */
export function wallAheadMs(): number {
  const ahead = Date.now() - monotonicNow();
  if (Math.abs(ahead - aheadMs) > JITTER_MS) aheadMs = ahead;
  return aheadMs;
}

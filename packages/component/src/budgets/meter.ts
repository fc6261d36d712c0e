/**
 * Use of a rate, as one number: the moment at which the budget is full again, in ms. 0: the rate was never used. The
 * budget fills up at the rate, to a bound, and may go into debt. Each JID has a number for each rate, so it is not an
 * object. Pure: the clock, in ms, is an argument that never steps back.
 */
export type FullAt = number;

/**
 * Parts of a ms that count. Smaller differences come from rounding, and must not keep an account just beyond a bound.
 */
const PARTS = 100;

/** Returns the seconds of the rate that are left, or, negative, that are owed. At most `burstSeconds`. */
export function standingOf(fullAt: FullAt, burstSeconds: number, now: number): number {
  const leftMs = Math.round(Math.max(0, fullAt - now) * PARTS) / PARTS;
  return burstSeconds - leftMs / 1_000;
}

/**
 * Returns the meter after `count` more, at `rate` a second. The debt is at most `maxDebtSeconds`, so that a domain,
 * which is never cut off, is not slow for ever.
 */
export function spend(
  fullAt: FullAt,
  count: number,
  rate: number,
  burstSeconds: number,
  maxDebtSeconds: number,
  now: number,
): FullAt {
  const next = Math.max(fullAt, now) + (count * 1_000) / rate;
  return Math.min(next, now + (burstSeconds + maxDebtSeconds) * 1_000);
}

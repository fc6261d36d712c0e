/**
 * What was used of a rate, as one number: the moment, in ms, at which nothing of it will be used any more; 0 before its first use. It
 * fills up at the rate, to a bound, and may go into debt. There is one for each thing that is metered of each JID, so it is no object. Pure:
 * the clock, in ms, is an argument that never steps back.
 */
export type FullAt = number;

/** Parts of a ms that count: what is less comes of rounding, and must not keep anybody a hair above a bound. */
const PARTS = 100;

/** In seconds of the rate: what is left, or, negative, what is owed; never over `burstSeconds`. */
export function standingOf(fullAt: FullAt, burstSeconds: number, now: number): number {
  const leftMs = Math.round(Math.max(0, fullAt - now) * PARTS) / PARTS;
  return burstSeconds - leftMs / 1_000;
}

/** After `count` more of `rate` a second. Owes at most `maxDebtSeconds`: whoever is nobody's to cut off is not slow for ever. */
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

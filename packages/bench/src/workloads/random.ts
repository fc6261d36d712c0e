export type Random = () => number;

/** A linear congruential generator whose state may exceed 2^53 for a moment, so its low digits differ from `lcg`'s. */
export function roundedLcg(seed: number): Random {
  let state = seed;
  return () => (state = (state * 1_664_525 + 1_013_904_223) >>> 0) / 2 ** 32;
}

export function lcg(seed: number): Random {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

/** One of the items. Takes one random number. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[below(random, items.length)] as T;
}

/** A whole number from 0 to `end` − 1. */
export function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}

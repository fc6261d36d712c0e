/** Random numbers that are the same in each run with the same seed. */
export interface Random {
  /** A whole number from 0 to `limit` − 1. */
  below(limit: number): number;
  chance(percent: number): boolean;
  pick<T>(values: readonly T[]): T;
}

/** xorshift32. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0 || 1;
  const below = (limit: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state % limit;
  };
  return {
    below,
    chance: (percent) => below(100) < percent,
    pick: <T>(values: readonly T[]) => values[below(values.length)] as T,
  };
}

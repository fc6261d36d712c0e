import type { BitCoder } from "../coder/bit-coder.js";
import { isSameScalar, type Held } from "../values/held.js";
import { SET } from "../coder/mixer-sets.js";

/** From this many parts on, a `ChangedSet` names those that changed. `mask` has a bit for each flag. */
export const MAX_FLAGS = 16;

/** Largest number of changes so far that contexts distinguish. */
const MOST_COUNTED = 3;

/** First ids of the contexts of the flags. */
export interface FlagContexts {
  /** Id of part `i`. */
  readonly own: (i: number) => number;
  /** Id that all parts of all places share. */
  readonly shared: number;
  /** Id for the parts that changed so far. */
  readonly together: number;
}

/**
 * Codes which of a few parts changed, at least one, with a flag for each. Returns them in ascending order. `bases`: the
 * parts as they were. `stood`: the parts before that, if they are known. A decoder ignores `given`.
 */
export function codeFlags(
  coder: BitCoder,
  ids: FlagContexts,
  bases: readonly (Held | undefined)[],
  stood: readonly (Held | undefined)[] | undefined,
  given: readonly number[],
): readonly number[] {
  const size = bases.length;
  const changed: number[] = [];
  let [mask, last, next] = [0, 0, 0];
  for (let i = 0; i < size; i++) {
    // If no part before has changed, the last one must have.
    let flag = 1;
    if (i < size - 1 || mask !== 0) {
      // Whether the part changed the time before.
      const moved = stood === undefined ? 0 : isSameScalar(stood[i], bases[i]) ? 1 : 2;
      const situation = Math.min(changed.length, MOST_COUNTED) * 3 + moved;
      const own = ids.own(i);
      const bit = given[next] === i ? 1 : 0;
      const flags = (1 << i) | mask;
      flag = coder.bitIn(bit, 1 + last, SET.flag, own, situation, ids.shared, situation, ids.together, flags);
    }
    if (flag === 1) changed.push(i);
    if (given[next] === i) next++;
    mask |= flag << i;
    last = flag;
  }
  return changed;
}

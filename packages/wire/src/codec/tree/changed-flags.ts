import type { BitCoder } from "../coder/bit-coder.js";
import { isSameScalar, type Held } from "../values/held.js";
import { SET } from "../coder/mixer-sets.js";

/** More parts than this, less one, are named by a `ChangedSet`: `mask` has a bit for each. */
export const MAX_FLAGS = 16;

/** Changes so far that are told apart. */
const MOST_COUNTED = 3;

/** First contexts of what the flags are coded by. */
export interface FlagContexts {
  /** Of each part. */
  readonly own: (i: number) => number;
  /** Of all parts of all places. */
  readonly shared: number;
  /** Of which of the parts changed together. */
  readonly together: number;
}

/**
 * Which of a few parts changed, at least one, ascending: a flag for each. `bases` are the parts as they were, `stood` as they were before
 * the last change, where that is known; `given` is not looked at when decoding.
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
    // The last one must have changed when none before it did.
    let flag = 1;
    if (i < size - 1 || mask !== 0) {
      // Did it change the time before?
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

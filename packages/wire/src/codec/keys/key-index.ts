import type { BitCoder } from "../coder/bit-coder.js";
import { SET } from "../coder/mixer-sets.js";

/** Contexts of the indexes, from an `id` on. */
const PATH = 0;
const NEAR = 1;
const LEVEL = 2;
export const KEY_INDEX_CONTEXTS = 3;

/** Levels of the tree whose contexts share a slot. */
const LEVELS_A_SLOT = 4;

/** Where the index before lies, seen from a part of the tree: below it, in its lower or upper half, or above it. */
const BELOW = 0;
const LOWER = 1;
const UPPER = 2;
const ABOVE = 3;

/**
 * Codes the index of one of many keys, as a path down a binary tree. Keys that come often cost less. So do keys near
 * the one before, because programs often visit their keys in turn.
 */
export class KeyIndex {
  constructor(
    private readonly coder: BitCoder,
    private readonly id: number,
  ) {}

  /** Codes an index below `size` (1 or more), and returns it. `last`: the index before; 0 at first. */
  code(given: number, size: number, last: number): number {
    let low = 0;
    let node = 1;
    let top = 1;
    for (let levels = 32 - Math.clz32(size - 1), depth = 0; levels > 0; levels--, depth++) {
      const within = depth % LEVELS_A_SLOT;
      if (within === 0) top = node;
      const middle = low + (1 << (levels - 1));
      let upper = 0;
      // Otherwise the upper half has no index.
      if (middle < size) {
        const place = (1 << within) | (node - (top << within));
        upper = this.codeHalf(given >= middle ? 1 : 0, top, place, low, levels, last);
      }
      if (upper === 1) low = middle;
      node = 2 * node + upper;
    }
    return low;
  }

  /** Codes in which half of a part of the tree the index lies. The part has 2^levels indexes, from `low` on. */
  private codeHalf(
    given: number,
    top: number,
    place: number,
    low: number,
    levels: number,
    last: number,
  ): number {
    const { coder, id } = this;
    const { contexts, slots } = coder;
    const middle = low + (1 << (levels - 1));
    const high = low + 2 ** levels;
    const side = last < low ? BELOW : last >= high ? ABOVE : last < middle ? LOWER : UPPER;
    // On the way to the index before, the next two bits of that index tell how near the border is.
    const bits = side === LOWER || side === UPPER ? (((last - low) << 2) >> (levels - 1)) & 3 : 0;
    slots[0] = contexts.slot(id + PATH, top);
    // `mixed` adds `place` to each slot.
    slots[1] = contexts.slot(id + NEAR, levels * 4 + side) + 1 + bits - place;
    slots[2] = contexts.slot(id + LEVEL, levels) + 1 + side - place;
    return coder.mixed(contexts, given, 1, place - 1, SET.key);
  }
}

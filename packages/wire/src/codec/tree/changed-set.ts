import type { BitCoder } from "../coder/bit-coder.js";
import { SET } from "../coder/mixer-sets.js";

/** Contexts of one set, from its `id` on. */
const WHERE = 0;
const WHERE_LEVEL = 1;
const BOTH = 2;
export const CHANGED_SET_CONTEXTS = 3;

/** Most splits that contexts distinguish. A split has changes in both halves. */
const MOST_SPLITS = 3;
/** Most levels that contexts distinguish. */
const MOST_LEVELS = 14;

/**
 * Codes which of many places changed. From the top down, it codes in which half there are changes. So each of a few
 * changes costs the logarithm of the number of places. Places that change often cost less.
 */
export class ChangedSet {
  /** The place that was named last. */
  private last = 0;
  private size = 0;
  private levels = 0;
  private splits = 0;
  private given: readonly number[] = NONE;
  private found: number[] = [];

  constructor(
    private readonly coder: BitCoder,
    private readonly id: number,
    private readonly sharedId: number,
  ) {}

  /**
   * Codes a set and returns it. `given`: at least one place, ascending, each below `size` (1 or more). A decoder
   * ignores it.
   */
  code(size: number, given: readonly number[]): readonly number[] {
    this.size = size;
    this.levels = 32 - Math.clz32(size - 1);
    this.splits = 0;
    this.given = this.coder.decoding ? NONE : given;
    this.found = [];
    this.walk(0, this.levels, 1, 0, this.given.length);
    return this.found;
  }

  /**
   * Codes the changed places of one part of the tree: `node`, with 2^levels places from `low` on. In `given`, they
   * stand from index `from` to before `to`.
   */
  private walk(low: number, levels: number, node: number, from: number, to: number): void {
    if (levels === 0) {
      this.found.push(low);
      this.last = low;
      return;
    }
    const middle = low + 2 ** (levels - 1);
    if (middle >= this.size) return this.walk(low, levels - 1, 2 * node, from, to);
    const { given } = this;
    let cut = from;
    while (cut < to && (given[cut] as number) < middle) cut++;
    const left = this.codeLeft(cut > from ? 1 : 0, low, middle, levels, node);
    const right = left === 0 ? 1 : this.codeBoth(to > cut ? 1 : 0, levels);
    if (left === 1) this.walk(low, levels - 1, 2 * node, from, cut);
    if (right === 1) this.walk(middle, levels - 1, 2 * node + 1, cut, to);
  }

  private codeLeft(given: number, low: number, middle: number, levels: number, node: number): number {
    const { coder, id, last } = this;
    const high = 2 * middle - low;
    const side = last < low || last >= high ? 0 : last < middle ? 1 : 2;
    // Two levels of the tree share a slot.
    const isUpper = (this.levels - levels) % 2 === 0;
    const place = 1 + side * 3 + (isUpper ? 0 : 1 + (node & 1));
    const where = isUpper ? node : node >>> 1;
    const own = id + WHERE_LEVEL;
    const shared = this.sharedId + WHERE_LEVEL;
    return coder.bitIn(given, place, SET.where, id + WHERE, where, own, levels, shared, levels);
  }

  private codeBoth(given: number, levels: number): number {
    const { coder, id, sharedId } = this;
    const splits = Math.min(this.splits, MOST_SPLITS);
    const place = Math.min(levels, MOST_LEVELS);
    const both = coder.bitOr(given, place, id + BOTH, splits, sharedId + BOTH, splits);
    this.splits += both;
    return both;
  }
}

const NONE: readonly number[] = [];

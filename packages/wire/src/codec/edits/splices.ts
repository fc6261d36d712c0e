import { malformed } from "../../msgpack/msgpack.js";
import type { Hunk } from "./alignment.js";
import type { BitCoder } from "../coder/bit-coder.js";
import { over } from "../coder/bounds.js";
import { codeWhole } from "../coder/whole-number.js";

/** Contexts, from an `id` on. */
const STEP = 0;
const COUNT = 1;
const AT = 2;
export const SPLICE_CONTEXTS = 3;

/** Places of the slots of STEP. */
const MORE = 1;
const INSERTS = 2;
const FROM_END = 3;

/** Splices of one list that have contexts of their own; later ones share the last. */
const MOST_STEPS = 3;

/** One run of items that left the list from item `at` on, or that came into it before item `at`. */
export interface Splice {
  readonly at: number;
  readonly count: number;
  readonly inserts: boolean;
}
/**
 * Codes the splices of a list of `size` items, from front to end. Each place counts from the splice before it, or from
 * the end, whichever is nearer. So a sliding window costs next to nothing. Throws `limit-exceeded` or `too-large` if
 * more than `mostInserted` items come. Throws `malformed` for bits that no encoder writes.
 */
export function codeSplices(
  coder: BitCoder,
  id: number,
  size: number,
  mostInserted: number,
  given: readonly Splice[],
): Splice[] {
  const { contexts } = coder;
  const found: Splice[] = [];
  let left = mostInserted;
  for (let from = 0; ;) {
    const step = Math.min(found.length, MOST_STEPS);
    const splice = given[found.length];
    if (coder.bit(splice === undefined ? 0 : 1, contexts.slot(id + STEP, step) + MORE) === 0) return found;
    const isInsertion = coder.bit(splice?.inserts === true ? 1 : 0, contexts.slot(id + STEP, step) + INSERTS);
    const inserts = isInsertion === 1;
    const count = 1 + codeWhole(coder, (splice?.count ?? 1) - 1, id + COUNT, isInsertion);
    if (inserts) left -= count;
    if (left < 0) throw over(coder, "a list grows longer than is taken");
    const removed = inserts ? 0 : count;
    const room = size - from - removed;
    if (room < 0) throw malformed("a coded list loses more than it has");
    const before = (splice?.at ?? from) - from;
    const isFromEnd = coder.bit(
      room - before < before ? 1 : 0,
      contexts.slot(id + STEP, step) + FROM_END + isInsertion,
    );
    const away = codeWhole(
      coder,
      isFromEnd === 1 ? room - before : before,
      id + AT,
      2 * isInsertion + isFromEnd,
    );
    if (away > room) throw malformed("a coded list changes behind its end");
    const at = from + (isFromEnd === 1 ? room - away : away);
    found.push({ at, count, inserts });
    from = at + removed;
  }
}

/**
 * Turns hunks into splices. If items `mayChange`, the items that a hunk has on both sides count as changed in place.
 */
export function splicesOf(hunks: readonly Hunk[], mayChange: boolean): Splice[] {
  const splices: Splice[] = [];
  for (const { at, removed, inserted } of hunks) {
    const changed = mayChange ? Math.min(removed, inserted) : 0;
    if (removed > changed) splices.push({ at: at + changed, count: removed - changed, inserts: false });
    const behind = at + removed;
    if (inserted > changed) splices.push({ at: behind, count: inserted - changed, inserts: true });
  }
  return splices;
}

/** Returns the items that stay, in the order of the new list, with `undefined` for each item that came. */
export function applySplices<T>(items: readonly T[], splices: readonly Splice[]): (T | undefined)[] {
  if (splices.length === 0) return items.slice();
  const applied: (T | undefined)[] = [];
  let from = 0;
  for (const { at, count, inserts } of splices) {
    while (from < at) applied.push(items[from++]);
    if (inserts) for (let i = 0; i < count; i++) applied.push(undefined);
    else from += count;
  }
  while (from < items.length) applied.push(items[from++]);
  return applied;
}

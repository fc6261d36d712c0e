import type { Value } from "../../msgpack/msgpack.js";
import { align, type Hunk } from "./alignment.js";
import { HeldObject, isList, isSame, type Held } from "../values/held.js";
import { splicesOf, type Splice } from "./splices.js";

/** Most insertions and removals that are searched in one list. The time of the search grows with their square. */
const MOST_EDITS = 32;
/** At most this many items that changed in place cost less than a splice. */
const FEW_CHANGES = 2;
/** Most insertions and removals that are searched in the keys of a map. */
const MOST_KEY_EDITS = 128;
/** Most insertions and removals that are searched in an array whose items have places of their own. */
const MOST_SHIFTS = 6;

/**
 * Returns the splices that turn `old` into `items`, at the least cost that a short search finds. Items that changed in
 * place are no splices. `changed`: indexes of the items that differ, if both lists are equally long.
 */
export function findSplices(
  old: readonly Held[],
  items: readonly Value[],
  changed: readonly number[] | undefined,
): Splice[] {
  const same = (i: number, j: number): boolean => isSame(old[i], items[j]);
  const like = (i: number, j: number): boolean => isLike(old[i], items[j]);
  const [before, now] = [old.length, items.length];
  if (changed === undefined) {
    const hunks = align(before, now, same, MOST_EDITS) ?? align(before, now, like, MOST_EDITS);
    return splicesOf(hunks ?? [wholeOf(before, now)], true);
  }
  if (changed.length <= FEW_CHANGES) return [];
  const hunks = align(before, now, same, Math.min(MOST_EDITS, 2 * changed.length));
  if (hunks !== undefined) return costOf(hunks) < changed.length ? splicesOf(hunks, true) : [];
  const unlike = countWhere(before, (i) => !like(i, i));
  const moved = unlike <= FEW_CHANGES ? undefined : align(before, now, like, MOST_EDITS);
  return moved !== undefined && costOf(moved) < unlike ? splicesOf(moved, true) : [];
}

/** Whether the items of a list moved, rather than changed. */
export function hasShifted(old: readonly Held[], items: readonly Value[], changed: number): boolean {
  const hunks = align(old.length, items.length, (i, j) => isSame(old[i], items[j]), MOST_SHIFTS);
  return hunks !== undefined && costOf(hunks) < changed;
}

/** Returns the splices that turn `old` into `keys`. */
export function findKeySplices(old: readonly string[], keys: readonly string[]): Splice[] {
  const hunks = align(old.length, keys.length, (i, j) => old[i] === keys[j], MOST_KEY_EDITS);
  return splicesOf(hunks ?? [wholeOf(old.length, keys.length)], false);
}

/**
 * Whether `item` is probably the same thing as `old`, although it may have changed. For objects the first field
 * decides, such as an id. For arrays the first item decides.
 */
function isLike(old: Held | undefined, item: Value | undefined): boolean {
  if (typeof item !== "object" || item === null || item instanceof Uint8Array) return isSame(old, item);
  if (Array.isArray(item)) return isList(old) && isScalar(old[0]) && Object.is(old[0], item[0]);
  if (!(old instanceof HeldObject)) return false;
  const [key] = old.keys;
  const [value] = old.values;
  if (key === undefined || !isScalar(value)) return false;
  const fields = item as Readonly<Record<string, Value>>;
  for (const first in fields) return first === key && Object.is(fields[first], value);
  return false;
}

function isScalar(held: Held | undefined): boolean {
  return held !== undefined && (typeof held !== "object" || held === null);
}

function wholeOf(removed: number, inserted: number): Hunk {
  return { at: 0, removed, inserted };
}

function costOf(hunks: readonly Hunk[]): number {
  return hunks.reduce((sum, { removed, inserted }) => sum + 1 + Math.max(removed, inserted), 0);
}

function countWhere(size: number, test: (i: number) => boolean): number {
  let count = 0;
  for (let i = 0; i < size; i++) if (test(i)) count++;
  return count;
}

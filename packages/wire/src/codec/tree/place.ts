import type { Value } from "../../msgpack/msgpack.js";
import type { Held } from "../values/held.js";
import type { Row } from "../numbers/row.js";

/** A value at a place of its own, which remembers what was there. */
export const PLACED = 0;
/** A value that may be like another one, such as one of many items that share a place. */
export const FRESH = 1;
/** A value that is known to differ from the one before. */
export const CHANGED = 2;

/** Relation of a value to the value that helps to code it. */
export type Relation = typeof PLACED | typeof FRESH | typeof CHANGED;

/** Codes values: at one place in the rows, or at the place of all items of a list. */
export interface Place {
  /**
   * Codes a value, or `undefined` if an object lacks the key. `old`: the value that stood there, or beside it. `older`:
   * the value before `old`. Throws `malformed` for bits that no encoder writes.
   */
  code(
    relation: Relation,
    value: Value | undefined,
    old: Held | undefined,
    older: Held | undefined,
    row: Row,
  ): Held | undefined;
}

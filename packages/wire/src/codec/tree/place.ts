import type { Value } from "../../msgpack/msgpack.js";
import type { Held } from "../values/held.js";
import type { Row } from "../numbers/row.js";

/** A value at a place of its own, which remembers what was there. */
export const PLACED = 0;
/** One of many that share a place: it may be like another one. */
export const FRESH = 1;
/** One of many, or of few that changed among many: it is known to differ from what it was. */
export const CHANGED = 2;

/** How a value relates to the one that it is coded by. */
export type Relation = typeof PLACED | typeof FRESH | typeof CHANGED;

/** What codes values: one place in the rows, or that of all items of a list. */
export interface Place {
  /**
   * A value, or none (`undefined`) where an object lacks the key; by `old`, which stood there or beside it, and by `older`, which stood
   * there before that. Throws `malformed` for what no encoder writes.
   */
  code(
    relation: Relation,
    value: Value | undefined,
    old: Held | undefined,
    older: Held | undefined,
    row: Row,
  ): Held | undefined;
}

import type { BitCoder } from "./bit-coder.js";

/** Bits of the largest number that `codeWhole` takes. */
const MAX_BITS = 15;

/**
 * A whole number below 2^15 of which small ones are likelier: its length, then its bits from the highest, all adaptive.
 * `id` and `situation` say what it is; nothing else may use this `id`.
 */
export function codeWhole(coder: BitCoder, value: number, id: number, situation: number): number {
  const { contexts } = coder;
  const bits = coder.tree(32 - Math.clz32(value), 4, contexts.slot(id, situation));
  let whole = bits === 0 ? 0 : 1;
  for (let left = bits - 1; left > 0;) {
    const width = Math.min(left, 4);
    left -= width;
    // Its length and the bits before are one number that no other prefix has.
    const prefix = ((bits << MAX_BITS) | whole) + 1;
    const part = coder.tree(
      (value >>> left) & ((1 << width) - 1),
      width,
      contexts.slot(id, Math.imul(situation, 0x9e3779b1) + prefix),
    );
    whole = (whole << width) | part;
  }
  return whole;
}

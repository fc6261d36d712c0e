import type { BitCoder } from "./bit-coder.js";

/** Longest number whose bits are adaptive, in bits. Longer numbers are rare, and take 53 raw bits. */
const MAX_BITS = 14;
const LONG = 15;

/**
 * Codes a whole number below 2^53 of which small ones are likelier: its length, then its bits from the highest, all
 * adaptive. `id` and `situation` name the kind of number. Nothing else may use this `id`.
 */
export function codeWhole(coder: BitCoder, value: number, id: number, situation: number): number {
  const { contexts } = coder;
  const given = value < 1 << MAX_BITS ? 32 - Math.clz32(value) : LONG;
  const bits = coder.tree(given, 4, contexts.slot(id, situation));
  if (bits === LONG) return coder.raw(value, 53);
  let whole = bits === 0 ? 0 : 1;
  for (let left = bits - 1; left > 0;) {
    const width = Math.min(left, 4);
    left -= width;
    // The length and the bits so far form a number that no other prefix has.
    const prefix = ((bits << MAX_BITS) | whole) + 1;
    const part = coder.tree(
      Math.floor(value / 2 ** left) & ((1 << width) - 1),
      width,
      contexts.slot(id, Math.imul(situation, 0x9e3779b1) + prefix),
    );
    whole = (whole << width) | part;
  }
  return whole;
}

/** RFC 1951 §3.2.5: base and extra bits of length symbols 257–285 and of distance symbols 0–29. */
export const LENGTHS = table(3, 29, (i) => (i < 8 || i === 28 ? 0 : (i >> 2) - 1));
export const DISTANCES = table(1, 30, (i) => (i < 4 ? 0 : (i >> 1) - 1));
/** The length of symbol 285, which stands apart from its table. */
export const LONGEST = 258;

/** RFC 1951 §3.2.7: the order in which the lengths of the code length code come. */
export const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
export const MAX_CODE_BITS = 15;
export const END_OF_BLOCK = 256;

/** RFC 1951 §3.2.6: lengths of the fixed codes. */
export const FIXED_LENGTHS = {
  literals: Uint8Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)),
  distances: new Uint8Array(30).fill(5),
};

function table(
  start: number,
  count: number,
  extraOf: (index: number) => number,
): { readonly base: number; readonly extra: number }[] {
  let base = start;
  return Array.from({ length: count }, (_, index) => {
    const entry = { base, extra: extraOf(index) };
    base += 1 << entry.extra;
    return entry;
  });
}

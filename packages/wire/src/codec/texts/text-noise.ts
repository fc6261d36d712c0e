/** Most bytes of a text that are looked at. */
const LOOKED_AT = 1_024;
/**
 * Least length of a text of few letters that may be noise. Such texts repeat pairs by chance, so shorter ones show too
 * little.
 */
const MIN_OF_FEW_LETTERS = 160;
const FEW_LETTERS = 4;
/**
 * If two bytes are equal more often, the text has fewer than about eight letters. Runs can then be found, so it is no
 * noise.
 */
const MAX_CHANCE = 1 / 8;

/** How often each pair of bytes, and each byte, came. All are zero between two calls. */
const pairs = new Uint16Array(65_536);
const singles = new Uint16Array(256);

/**
 * Whether the bytes of a text say nothing about the bytes after them. Examples are random numbers, keys, encrypted or
 * deflated data, and their base64. Then the share of equal pairs is about the square of the share of equal bytes.
 */
export function isNoise(bytes: Uint8Array, length: number): boolean {
  const size = Math.min(length, LOOKED_AT);
  let common = 0;
  let commonPairs = 0;
  let before = 0;
  for (let i = 0; i < size; i++) {
    const byte = bytes[i] as number;
    common += (singles[byte] as number)++;
    if (i > 0) commonPairs += (pairs[(before << 8) | byte] as number)++;
    before = byte;
  }
  singles.fill(0);
  for (let i = 1; i < size; i++) pairs[((bytes[i - 1] as number) << 8) | (bytes[i] as number)] = 0;
  const chance = common / ((size * (size - 1)) / 2);
  if (chance > MAX_CHANCE) return false;
  const expected = chance * chance * (((size - 1) * (size - 2)) / 2);
  if (expected > FEW_LETTERS && size < MIN_OF_FEW_LETTERS) return false;
  return commonPairs <= 1.15 * expected + 1.5 * Math.sqrt(expected) + 0.5;
}

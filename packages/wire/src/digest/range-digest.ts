/** The range of every key. Range `r` has the parts 16 r to 16 r + 15. */
export const WHOLE_RANGE = 1;
/** Parts of a range: one for each value of the next four bits of the place. */
export const RANGE_PARTS = 16;
/** A place has 32 bits, so a range has parts down to this depth. */
const MAX_DEPTH = 8;
const MAX_RANGE = 2 * RANGE_PARTS ** MAX_DEPTH - 1;
/** Bytes of the checksum of a range, and of the checksums of its parts: each of these is the first word alone. */
export const CHECKSUM_BYTES = 8;
export const PART_SUMS_BYTES = 4 * RANGE_PARTS;
/** Bytes that name some of the parts of a range: a bit for each. */
export const DIFFERING_BYTES = 2;

/** Returns the depth of a range: the number of hexadecimal digits of a place that it fixes. Undefined: no range. */
export function depthOfRange(range: number): number | undefined {
  if (!Number.isInteger(range) || range < 1 || range > MAX_RANGE) return undefined;
  let [depth, first] = [0, 1];
  while (range >= RANGE_PARTS * first) {
    first *= RANGE_PARTS;
    depth++;
  }
  return range < 2 * first ? depth : undefined;
}

/** Whether a range can be divided. */
export function hasParts(range: number): boolean {
  return range < RANGE_PARTS ** MAX_DEPTH;
}

/**
 * The checksums of one range of a map, and of its 16 parts: the exclusive or of the hashes of their entries. So the
 * order of entries does not count, and adding an entry twice removes it.
 */
export class RangeDigest {
  private readonly depth: number;
  /** The first digits of each place in the range, as a number. */
  private readonly prefix: number;
  private high = 0;
  private low = 0;
  private readonly partSums = new Int32Array(RANGE_PARTS);

  constructor(readonly range: number) {
    this.depth = depthOfRange(range) ?? 0;
    this.prefix = range - RANGE_PARTS ** this.depth;
  }

  /** Whether the range has the entry with this place. */
  has(place: number): boolean {
    // A shift by 32 would shift by nothing.
    return this.depth === 0 || place >>> (32 - 4 * this.depth) === this.prefix;
  }

  /** Adds an entry of the range, or removes it if it was added before. Entries of other ranges have no effect. */
  toggle(place: number, high: number, low: number): void {
    if (!this.has(place)) return;
    this.high ^= high;
    this.low ^= low;
    if (this.depth < MAX_DEPTH) {
      const part = (place >>> (28 - 4 * this.depth)) & 15;
      this.partSums[part] = (this.partSums[part] as number) ^ high;
    }
  }

  /** The checksum of the range: 8 bytes. */
  get checksum(): Uint8Array {
    return wordsToBytes([this.high, this.low]);
  }

  /** The first words of the checksums of the parts: 64 bytes. */
  get sums(): Uint8Array {
    return wordsToBytes(this.partSums);
  }

  /** Whether the range has this checksum. */
  matches(checksum: Uint8Array): boolean {
    return this.checksum.every((byte, i) => byte === checksum[i]);
  }

  /** Returns the parts whose checksums differ from these. */
  differing(sums: Uint8Array): number[] {
    const own = this.sums;
    const parts: number[] = [];
    for (let part = 0; part < RANGE_PARTS; part++)
      if ([0, 1, 2, 3].some((i) => own[4 * part + i] !== sums[4 * part + i]))
        parts.push(RANGE_PARTS * this.range + part);
    return parts;
  }
}

/** Returns the bytes that name these parts of one range. */
export function encodeDiffering(parts: readonly number[]): Uint8Array {
  const bits = parts.reduce((sum, part) => sum | (1 << (part % RANGE_PARTS)), 0);
  return Uint8Array.of(bits >> 8, bits & 0xff);
}

/** Returns the parts of a range that these bytes name. */
export function decodeDiffering(range: number, [high = 0, low = 0]: Uint8Array): number[] {
  const bits = (high << 8) | low;
  return Array.from({ length: RANGE_PARTS }, (_, part) => RANGE_PARTS * range + part).filter(
    (part) => (bits >> (part % RANGE_PARTS)) & 1,
  );
}

/** Big-endian. */
function wordsToBytes(words: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < words.length; i++) view.setInt32(4 * i, words[i] as number);
  return bytes;
}

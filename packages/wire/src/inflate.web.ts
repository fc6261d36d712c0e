import {
  CODE_LENGTH_ORDER,
  DISTANCES,
  END_OF_BLOCK,
  FIXED_LENGTHS,
  LENGTHS,
  LONGEST,
  MAX_CODE_BITS,
} from "./deflate-tables.web.js";
import { StanzapackError } from "./errors.js";

interface Code {
  /** How many symbols have a code of each length. */
  readonly counts: Uint16Array;
  /** By code. */
  readonly symbols: Uint16Array;
  /** Codes of the longest length that mean nothing; negative: more symbols than codes. */
  readonly left: number;
}

const FIXED = {
  literals: buildCode(FIXED_LENGTHS.literals),
  distances: buildCode(FIXED_LENGTHS.distances),
};

/**
 * The whole of a raw deflate stream (RFC 1951). For browsers, where size counts: a symbol is found bit by bit, some 10 MB/s.
 * Throws `malformed`, or `limit-exceeded` when it would be more than `maxBytes`.
 */
export function inflateRaw(input: Uint8Array, maxBytes: number): Uint8Array {
  // Grows as the data does, so that a small payload never claims the whole bound.
  let output = new Uint8Array(Math.min(maxBytes, Math.max(256, input.length * 4)));
  let size = 0;
  let at = 0;
  let held = 0;
  let heldBits = 0;

  const bits = (count: number): number => {
    while (heldBits < count) {
      if (at === input.length) throw malformed("data ends early");
      held |= (input[at++] as number) << heldBits;
      heldBits += 8;
    }
    const value = held & ((1 << count) - 1);
    held >>>= count;
    heldBits -= count;
    return value;
  };

  const symbolOf = ({ counts, symbols }: Code): number => {
    let [code, first, index] = [0, 0, 0];
    for (let length = 1; length <= MAX_CODE_BITS; length++) {
      code |= bits(1);
      const count = counts[length] as number;
      if (code - first < count) return symbols[index + code - first] as number;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw malformed("invalid code");
  };

  const reserve = (count: number): void => {
    if (size + count <= output.length) return;
    if (size + count > maxBytes)
      throw new StanzapackError("limit-exceeded", `deflated data inflates to more than ${maxBytes} bytes`, {
        origin: "peer",
      });
    const larger = new Uint8Array(Math.min(maxBytes, Math.max(size + count, output.length * 4)));
    larger.set(output);
    output = larger;
  };

  const copyStored = (): void => {
    held = heldBits = 0;
    const count = bits(16);
    // Two reads of 16 bits leave nothing held, so bytes can be taken as they are.
    if ((bits(16) ^ 0xffff) !== count) throw malformed("invalid stored block lengths");
    if (at + count > input.length) throw malformed("data ends early");
    reserve(count);
    output.set(input.subarray(at, at + count), size);
    at += count;
    size += count;
  };

  const readCodes = (): typeof FIXED => {
    const literalCount = bits(5) + 257;
    const distanceCount = bits(5) + 1;
    const codeLengthCount = bits(4) + 4;
    if (literalCount > 286 || distanceCount > 30) throw malformed("too many length or distance symbols");
    const lengths = new Uint8Array(19);
    for (let i = 0; i < codeLengthCount; i++) lengths[CODE_LENGTH_ORDER[i] as number] = bits(3);
    const codeLengths = buildCode(lengths);
    if (codeLengths.left !== 0) throw malformed("invalid code lengths set");

    const all = new Uint8Array(literalCount + distanceCount);
    for (let i = 0; i < all.length;) {
      const symbol = symbolOf(codeLengths);
      if (symbol < 16) {
        all[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) throw malformed("invalid bit length repeat");
      const value = symbol === 16 ? (all[i - 1] as number) : 0;
      const end = i + (symbol === 16 ? 3 + bits(2) : symbol === 17 ? 3 + bits(3) : 11 + bits(7));
      if (end > all.length) throw malformed("invalid bit length repeat");
      all.fill(value, i, end);
      i = end;
    }
    if (all[END_OF_BLOCK] === 0) throw malformed("missing end-of-block");
    const literals = buildCode(all.subarray(0, literalCount));
    const distances = buildCode(all.subarray(literalCount));
    if (!isUsable(literals) || !isUsable(distances)) throw malformed("invalid code set");
    return { literals, distances };
  };

  const readSymbols = ({ literals, distances }: typeof FIXED): void => {
    for (;;) {
      const symbol = symbolOf(literals);
      if (symbol === END_OF_BLOCK) return;
      if (symbol < END_OF_BLOCK) {
        reserve(1);
        output[size++] = symbol;
        continue;
      }
      const length = LENGTHS[symbol - 257];
      if (length === undefined) throw malformed("invalid literal or length code");
      const count = symbol === 285 ? LONGEST : length.base + bits(length.extra);
      const { base, extra } = DISTANCES[symbolOf(distances)] as (typeof DISTANCES)[number];
      const distance = base + bits(extra);
      if (distance > size) throw malformed("invalid distance too far back");
      reserve(count);
      // Byte by byte: what is copied may reach into what is being written.
      for (const end = size + count; size < end; size++) output[size] = output[size - distance] as number;
    }
  };

  for (let last = 0; last === 0;) {
    last = bits(1);
    const type = bits(2);
    if (type === 0) copyStored();
    else if (type === 3) throw malformed("invalid block type");
    else readSymbols(type === 1 ? FIXED : readCodes());
  }
  if (at < input.length) throw malformed("bytes follow its end");
  // Views of it may be kept for long: they must not keep much more than they show.
  return size * 2 < output.length ? output.slice(0, size) : output.subarray(0, size);
}

/** As zlib: a code with gaps is refused, except one of a single bit, and one of nothing. */
function isUsable({ counts, left, symbols }: Code): boolean {
  return left === 0 || (left > 0 && (counts[0] as number) + (counts[1] as number) === symbols.length);
}

/** RFC 1951 §3.2.2. */
function buildCode(lengths: Uint8Array): Code {
  const counts = new Uint16Array(MAX_CODE_BITS + 1);
  for (const length of lengths) counts[length] = (counts[length] as number) + 1;
  const next = new Uint16Array(MAX_CODE_BITS + 1);
  let left = 1;
  for (let length = 1; length <= MAX_CODE_BITS; length++) {
    left = (left << 1) - (counts[length] as number);
    if (left < 0) break;
    if (length < MAX_CODE_BITS) next[length + 1] = (next[length] as number) + (counts[length] as number);
  }
  const symbols = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    if (length === 0) return;
    const index = next[length] as number;
    symbols[index] = symbol;
    next[length] = index + 1;
  });
  return { counts, symbols, left };
}

function malformed(why: string): StanzapackError {
  return new StanzapackError("malformed", `raw deflate: ${why}`, { origin: "peer" });
}

import {
  CODE_LENGTH_ORDER,
  DISTANCES,
  END_OF_BLOCK,
  FIXED_LENGTHS,
  LENGTHS,
  LONGEST,
  MAX_CODE_BITS,
} from "./deflate-tables.web.js";

/** RFC 1951 §2: how far back a match may be, in bytes. */
const WINDOW_BYTES = 32_768;
/** In bytes. The format has matches of three, but digits, of which much here is made, cost less as literals than they. */
const SHORTEST = 4;
/** Most earlier places looked at for one match; zlib's middle level looks at as many. */
const MAX_TRIES = 128;
/** From this length on, in bytes, the next byte is not asked for a longer match. */
const GOOD_LENGTH = 32;
const HASH_BITS = 12;
/** RFC 1951 §3.2.7: the lengths of the code length code have three bits. */
const MAX_CODE_LENGTH_BITS = 7;

/** One symbol with its extra bits: of the literals and lengths, of the distances, or of the code lengths. */
interface Piece {
  readonly code: "literals" | "distances" | "lengths";
  readonly symbol: number;
  readonly extra: number;
  readonly extraBits: number;
}

/**
 * One raw deflate block (RFC 1951) of codes fixed or made for it, whichever is smaller. For browsers, where size counts: as
 * tight as zlib's middle level, at some 3 MB/s. Undefined when it would not be smaller than `input`, which is at most a block's size.
 */
export function deflateRaw(input: Uint8Array): Uint8Array | undefined {
  const pieces = findPieces(input);
  const literals = huffmanLengths(frequenciesOf(pieces, "literals", 286), MAX_CODE_BITS);
  const distances = huffmanLengths(frequenciesOf(pieces, "distances", 30), MAX_CODE_BITS);
  const literalCount = Math.max(257, countUsed(literals));
  const distanceCount = Math.max(1, countUsed(distances));
  const runs = findRuns([...literals.slice(0, literalCount), ...distances.slice(0, distanceCount)]);
  const lengths = huffmanLengths(frequenciesOf(runs, "lengths", 19), MAX_CODE_LENGTH_BITS);
  const ordered = CODE_LENGTH_ORDER.map((symbol) => lengths[symbol] as number);
  const lengthCount = Math.max(4, countUsed(ordered));

  const own = { literals, distances, lengths };
  const fixed = { ...FIXED_LENGTHS, lengths: [] };
  const ownBits = 14 + 3 * lengthCount + costOf(runs, own) + costOf(pieces, own);
  const isFixed = costOf(pieces, fixed) <= ownBits;

  const writer = createBitWriter(input.length);
  writer.bits(1, 1);
  writer.bits(isFixed ? 1 : 2, 2);
  if (!isFixed) {
    writer.bits(literalCount - 257, 5);
    writer.bits(distanceCount - 1, 5);
    writer.bits(lengthCount - 4, 4);
    for (const length of ordered.slice(0, lengthCount)) writer.bits(length, 3);
    writer.pieces(runs, own);
  }
  writer.pieces(pieces, isFixed ? fixed : own);
  return writer.end();
}

type Lengths = Readonly<Record<Piece["code"], ArrayLike<number>>>;

/** Literals and matches (RFC 1951 §3.2.5), a match only where the next byte begins no longer one. */
function findPieces(input: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  /** By hash the newest place, and by place the one before it, each plus one. */
  const newest = new Uint32Array(1 << HASH_BITS);
  const older = new Uint32Array(input.length);
  const byteAt = (at: number): number => input[at] as number;
  const hashAt = (at: number): number => {
    const four = byteAt(at) | (byteAt(at + 1) << 8) | (byteAt(at + 2) << 16) | (byteAt(at + 3) << 24);
    return Math.imul(four, 0x9e3779b1) >>> (32 - HASH_BITS);
  };
  const remember = (at: number): void => {
    if (at + SHORTEST > input.length) return;
    const hash = hashAt(at);
    older[at] = newest[hash] as number;
    newest[hash] = at + 1;
  };
  const findMatch = (at: number): { length: number; distance: number } => {
    const best = { length: 0, distance: 0 };
    const longest = Math.min(LONGEST, input.length - at);
    if (longest < SHORTEST) return best;
    let place = newest[hashAt(at)] as number;
    for (let tries = MAX_TRIES; place > 0 && tries > 0; tries--) {
      const distance = at + 1 - place;
      if (distance > WINDOW_BYTES) break;
      let length = 0;
      while (length < longest && byteAt(at + length) === byteAt(at + length - distance)) length++;
      if (length >= SHORTEST && length > best.length) {
        best.length = length;
        best.distance = distance;
        if (length === longest) break;
      }
      place = older[place - 1] as number;
    }
    return best;
  };
  const add = (code: Piece["code"], symbol: number, extra = 0, extraBits = 0): void => {
    pieces.push({ code, symbol, extra, extraBits });
  };

  let match = findMatch(0);
  for (let at = 0; at < input.length;) {
    remember(at);
    const { length, distance } = match;
    const next = length < GOOD_LENGTH ? findMatch(at + 1) : undefined;
    if (length === 0 || (next !== undefined && next.length > length)) {
      add("literals", byteAt(at));
      at++;
      match = next ?? findMatch(at);
      continue;
    }
    const row = length === LONGEST ? LENGTHS.length - 1 : LENGTHS.findLastIndex(({ base }) => base <= length);
    const lengthRow = LENGTHS[row] as (typeof LENGTHS)[number];
    add("literals", 257 + row, length - lengthRow.base, lengthRow.extra);
    const distanceSymbol = DISTANCES.findLastIndex(({ base }) => base <= distance);
    const { base, extra } = DISTANCES[distanceSymbol] as (typeof DISTANCES)[number];
    add("distances", distanceSymbol, distance - base, extra);
    for (const end = at + length; ++at < end;) remember(at);
    match = findMatch(at);
  }
  add("literals", END_OF_BLOCK);
  return pieces;
}

/** RFC 1951 §3.2.7: code lengths, repeated ones and zeros as runs. */
function findRuns(lengths: readonly number[]): Piece[] {
  const runs: Piece[] = [];
  const add = (symbol: number, extra = 0, extraBits = 0): void => {
    runs.push({ code: "lengths", symbol, extra, extraBits });
  };
  for (let at = 0; at < lengths.length;) {
    const length = lengths[at] as number;
    let count = 1;
    while (lengths[at + count] === length) count++;
    at += count;
    if (length !== 0) {
      add(length);
      count--;
    }
    while (count >= 3) {
      const taken = Math.min(count, length === 0 ? 138 : 6);
      if (length !== 0) add(16, taken - 3, 2);
      else if (taken < 11) add(17, taken - 3, 3);
      else add(18, taken - 11, 7);
      count -= taken;
    }
    for (; count > 0; count--) add(length);
  }
  return runs;
}

function frequenciesOf(pieces: readonly Piece[], code: Piece["code"], symbolCount: number): number[] {
  const frequencies = Array<number>(symbolCount).fill(0);
  for (const piece of pieces)
    if (piece.code === code) frequencies[piece.symbol] = (frequencies[piece.symbol] as number) + 1;
  return frequencies;
}

function costOf(pieces: readonly Piece[], lengths: Lengths): number {
  return pieces.reduce(
    (sum, { code, symbol, extraBits }) => sum + (lengths[code][symbol] as number) + extraBits,
    0,
  );
}

function countUsed(lengths: readonly number[]): number {
  return lengths.findLastIndex((length) => length > 0) + 1;
}

/** Huffman's code, 0 for symbols that do not occur. One that grows too long is made again of flatter frequencies. */
function huffmanLengths(frequencies: readonly number[], maxBits: number): number[] {
  const lengths = frequencies.map(() => 0);
  /** Subtrees by falling weight. */
  const trees = frequencies
    .map((weight, symbol) => ({ weight, symbols: [symbol] }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight);
  // RFC 1951 §3.2.7: a lone distance has one bit.
  if (trees.length === 1) lengths[trees[0]?.symbols[0] as number] = 1;
  for (;;) {
    const [one, other] = [trees.pop(), trees.pop()];
    if (one === undefined || other === undefined) break;
    const weight = one.weight + other.weight;
    const symbols = [...one.symbols, ...other.symbols];
    for (const symbol of symbols) lengths[symbol] = (lengths[symbol] as number) + 1;
    trees.splice(trees.findLastIndex((tree) => tree.weight >= weight) + 1, 0, { weight, symbols });
  }
  return Math.max(...lengths) <= maxBits
    ? lengths
    : huffmanLengths(
        frequencies.map((weight) => Math.ceil(weight / 2)),
        maxBits,
      );
}

/** RFC 1951 §3.1.1: bits from the lowest of each byte on, codes with their highest bit first. */
function createBitWriter(maxBytes: number) {
  const output = new Uint8Array(maxBytes);
  let size = 0;
  let held = 0;
  let heldBits = 0;
  const bits = (value: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      held |= ((value >> i) & 1) << heldBits;
      if (++heldBits < 8) continue;
      // Beyond its end an array takes nothing; the size tells.
      output[size++] = held;
      held = heldBits = 0;
    }
  };
  return {
    bits,
    pieces(pieces: readonly Piece[], lengths: Lengths): void {
      const codes = {
        literals: codesOf(lengths.literals),
        distances: codesOf(lengths.distances),
        lengths: codesOf(lengths.lengths),
      };
      for (const { code, symbol, extra, extraBits } of pieces) {
        const value = codes[code][symbol] as number;
        for (let bit = (lengths[code][symbol] as number) - 1; bit >= 0; bit--) bits(value >> bit, 1);
        bits(extra, extraBits);
      }
    },
    end(): Uint8Array | undefined {
      if (heldBits > 0) bits(0, 8 - heldBits);
      return size < maxBytes ? output.subarray(0, size) : undefined;
    },
  };
}

/** RFC 1951 §3.2.2. */
function codesOf(lengths: ArrayLike<number>): number[] {
  const codes: number[] = [];
  for (let code = 0, length = 1; length <= MAX_CODE_BITS; length++, code <<= 1)
    for (let symbol = 0; symbol < lengths.length; symbol++)
      if (lengths[symbol] === length) codes[symbol] = code++;
  return codes;
}

import type { BitCoder } from "../coder/bit-coder.js";
import { Contexts } from "../coder/contexts.js";
import { SET } from "../coder/mixer-sets.js";
import { TextHistory } from "./text-history.js";
import { isNoise } from "./text-noise.js";

/** Text that came before is found within so many bytes; with its places it takes twice as much. */
const HISTORY_BYTES = 1 << 15;
/** Slots of contexts of text, 279 KB: a table of its own, so that text leaves what numbers learned alone. */
const MAX_SLOTS = 1 << 12;

/** A byte is expected where so many bytes before it came before. */
const CONTEXT_BYTES = 4;
/** Matches from here on are all but sure: one context tells whether they go on. */
const LONG_BITS = 5;
const LONG_MATCH = 1 << LONG_BITS;

/** Once the context of the two bytes before has seen so many bits, it is used alone. */
const OFTEN = 8;

/** Contexts in the table of text. */
const HIT = 0;
const HIT_TWO = 1;
const HIT_ANY = 2;
const HIT_LONG = 3;
/** Of halves of bytes, by two bytes before, by one and the column, by the column: their ids, and 3 more for each part of a byte. */
const TWO = 4;
const ONE = 5;
const NONE = 6;
const ORDERS = 3;
/** Whether the bytes of a long text tell nothing of each other: behind the parts of a byte. */
const PLAIN = TWO + 17 * ORDERS;

/** Of shorter texts nobody asks: 64 bytes. */
const MIN_PLAIN_BYTES = 64;
/** What came before is looked for at every so many bytes of noise. */
const PROBE_BYTES = 16;

/**
 * Codes the bytes of texts: a byte is what followed the same four the last time, or else is told by the two before it, and
 * while those are new by a mixture of that, of the one before it, and of the column. Knows nothing of their meaning.
 */
export class TextModel {
  private readonly contexts = new Contexts(MAX_SLOTS);
  private readonly history = new TextHistory(HISTORY_BYTES);
  /** Where what is expected stands; 0: nothing is. */
  private match = 0;
  private matched = 0;
  /** The four bytes before, in this text, and its column. */
  private before = 0;
  private column = 0;

  constructor(private readonly coder: BitCoder) {}

  /** Memory held, in bytes. */
  get bytes(): number {
    return this.contexts.bytes + this.history.byteLength;
  }

  /** Codes `length` bytes of a column: they are in `bytes`, or are put there. */
  code(bytes: Uint8Array, length: number, column: number): void {
    const { history, contexts } = this;
    this.column = column;
    // Before the first one stands the column.
    this.before = column << 8;
    this.match = this.matched = 0;
    if (length >= MIN_PLAIN_BYTES && this.codePlain(bytes, length)) return this.codeNoise(bytes, length);
    for (let i = 0; i < length; i++) {
      const known = history.visit(hashOf(this.before));
      // Others may have the same hash. At the begin of a text stands the column, which no history has.
      if (this.match === 0 && known > 0 && (i < CONTEXT_BYTES || history.wordBefore(known) === this.before))
        this.match = known;
      contexts.growIfCrowded();
      const byte = this.codeByte(bytes[i] as number);
      bytes[i] = byte;
      if (this.match > 0 && history.byteAt(this.match) === byte) {
        this.match++;
        this.matched++;
      } else this.match = this.matched = 0;
      history.append(byte);
      this.before = (this.before << 8) | byte;
    }
  }

  private codePlain(bytes: Uint8Array, length: number): boolean {
    const { coder, contexts, column } = this;
    const isPlain = !coder.decoding && isNoise(bytes, length) && !this.cameBefore(bytes, length);
    return coder.bitOf(contexts, isPlain ? 1 : 0, contexts.slot(PLAIN, column) + 1) === 1;
  }

  private cameBefore(bytes: Uint8Array, length: number): boolean {
    const { history } = this;
    for (let i = 4; i + 4 <= length; i += PROBE_BYTES) {
      const place = history.find(hashOf(wordAt(bytes, i - 4)));
      if (place === 0) continue;
      let same = 0;
      while (same < 4 && history.byteAt(place + same) === bytes[i + same]) same++;
      if (same === 4) return true;
    }
    return false;
  }

  /** Each byte by its column alone: quick, and what is noise can be no shorter. */
  private codeNoise(bytes: Uint8Array, length: number): void {
    const { history, contexts } = this;
    for (let i = 0; i < length; i++) {
      history.visit(hashOf(this.before));
      contexts.growIfCrowded();
      const given = bytes[i] as number;
      const upper = this.codeAlone(given >> 4, 0);
      const byte = (upper << 4) | this.codeAlone(given & 15, 1 + upper);
      bytes[i] = byte;
      history.append(byte);
      this.before = (this.before << 8) | byte;
    }
  }

  /** Half of a byte, by its column alone. */
  private codeAlone(half: number, part: number): number {
    const { coder, contexts, column } = this;
    return coder.treeOf(contexts, half, 4, contexts.slot(part * ORDERS + NONE, column));
  }

  private codeByte(byte: number): number {
    if (this.match > 0) {
      const expected = this.history.byteAt(this.match);
      if (this.codeHit(byte === expected ? 1 : 0, expected) === 1) return expected;
    }
    const upper = this.codeHalf(byte >> 4, 0, SET.upper);
    return (upper << 4) | this.codeHalf(byte & 15, 1 + upper, SET.lower);
  }

  /** Whether the match goes on. */
  private codeHit(hit: number, expected: number): number {
    const { coder, contexts, matched, before } = this;
    if (matched >= LONG_MATCH) {
      const age = Math.min(32 - Math.clz32(matched >>> LONG_BITS), 15);
      return coder.bitOf(contexts, hit, contexts.slot(HIT_LONG, 0) + age);
    }
    const { slots } = coder;
    const place = 1 + Math.min(matched, 14);
    // By what stands before alone, however long the match is.
    const byTwo = contexts.slot(HIT_TWO, ((before & 0xffff) << 8) | expected) + 1;
    if (contexts.seen(byTwo) >= OFTEN) return coder.bitOf(contexts, hit, byTwo);
    slots[0] = contexts.slot(HIT, expected);
    slots[1] = byTwo - place;
    slots[2] = contexts.slot(HIT_ANY, 0);
    return coder.mixed(contexts, hit, 1, place - 1, SET.hit);
  }

  /** `part`: 0 for the upper half of a byte; 1 + that for the lower one. */
  private codeHalf(half: number, part: number, set: number): number {
    const { coder, contexts, before, column } = this;
    const id = part * ORDERS;
    const byTwo = contexts.slot(id + TWO, before & 0xffff);
    if (contexts.seen(byTwo + 1) >= OFTEN) return coder.treeOf(contexts, half, 4, byTwo);
    const { slots } = coder;
    slots[0] = byTwo;
    slots[1] = contexts.slot(id + ONE, (column << 8) | (before & 0xff));
    slots[2] = contexts.slot(id + NONE, column);
    return coder.mixed(contexts, half, 4, 0, set);
  }
}

function hashOf(word: number): number {
  return Math.imul(word, 0x9e3779b1);
}

function wordAt(bytes: Uint8Array, at: number): number {
  let word = 0;
  for (let i = at; i < at + 4; i++) word = (word << 8) | (bytes[i] as number);
  return word;
}

import type { BitCoder } from "../coder/bit-coder.js";
import { Contexts } from "../coder/contexts.js";
import { SET } from "../coder/mixer-sets.js";
import { TextHistory } from "./text-history.js";
import { isNoise } from "./text-noise.js";

/** Bytes of earlier text in which repeated text is found. With its places the history takes twice as much memory. */
const HISTORY_BYTES = 1 << 15;
/**
 * Slots of contexts of text, 279 KB. Text has a table of its own, so that it does not displace what numbers have
 * learned.
 */
const MAX_SLOTS = 1 << 12;

/** Length of the run of bytes before a byte. If the run came before, the byte that followed it is expected. */
const CONTEXT_BYTES = 4;
/** Matches of 32 bytes and more are almost sure. A context by length alone codes whether they continue. */
const LONG_BITS = 5;
const LONG_MATCH = 1 << LONG_BITS;

/** When the context of the two bytes before has seen this many bits, it is used alone. */
const OFTEN = 8;

/** Contexts in the table of text. */
const HIT = 0;
const HIT_TWO = 1;
const HIT_ANY = 2;
const HIT_LONG = 3;
/**
 * First ids for the halves of bytes: by the two bytes before, by one byte and the column, by the column. Each part of a
 * byte has ids 3 higher.
 */
const TWO = 4;
const ONE = 5;
const NONE = 6;
const ORDERS = 3;
/**
 * Id of the flag for a long text whose bytes predict nothing of each other. It follows those of the parts of a byte.
 */
const PLAIN = TWO + 17 * ORDERS;

/** Least length of a text that has this flag, in bytes. */
const MIN_PLAIN_BYTES = 64;
/** In noise, earlier text is looked for at every 16th byte. */
const PROBE_BYTES = 16;

/**
 * Codes the bytes of texts, and knows nothing of their meaning. The expected byte is the one that followed the same
 * four bytes the last time. Any other byte is coded by the two bytes before it. While those are new, it is coded by a
 * mixture of them, of the one byte before with the column, and of the column.
 */
export class TextModel {
  private readonly contexts = new Contexts(MAX_SLOTS);
  private readonly history = new TextHistory(HISTORY_BYTES);
  /** Position of the expected byte in the history; 0: no byte is expected. */
  private match = 0;
  private matched = 0;
  /** The four bytes before in this text, and the column of the text. */
  private before = 0;
  private column = 0;

  constructor(private readonly coder: BitCoder) {}

  /** Memory held, in bytes. */
  get bytes(): number {
    return this.contexts.bytes + this.history.byteLength;
  }

  /** Codes `length` bytes of a column. An encoder reads them from `bytes`, and a decoder puts them there. */
  code(bytes: Uint8Array, length: number, column: number): void {
    const { history, contexts } = this;
    this.column = column;
    // The column stands before the first byte.
    this.before = column << 8;
    this.match = this.matched = 0;
    if (length >= MIN_PLAIN_BYTES && this.codePlain(bytes, length)) return this.codeNoise(bytes, length);
    for (let i = 0; i < length; i++) {
      const known = history.visit(hashOf(this.before));
      // Other bytes may have the same hash. At the beginning of a text the column stands before, which the history
      // never has.
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

  /** Codes each byte by its column alone. That is quick, and noise cannot take fewer bytes. */
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

  /** Codes half of a byte by its column alone. */
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

  /** Codes whether the match continues. */
  private codeHit(hit: number, expected: number): number {
    const { coder, contexts, matched, before } = this;
    if (matched >= LONG_MATCH) {
      const age = Math.min(32 - Math.clz32(matched >>> LONG_BITS), 15);
      return coder.bitOf(contexts, hit, contexts.slot(HIT_LONG, 0) + age);
    }
    const { slots } = coder;
    const place = 1 + Math.min(matched, 14);
    // This context does not depend on the length of the match.
    const byTwo = contexts.slot(HIT_TWO, ((before & 0xffff) << 8) | expected) + 1;
    if (contexts.seen(byTwo) >= OFTEN) return coder.bitOf(contexts, hit, byTwo);
    slots[0] = contexts.slot(HIT, expected);
    slots[1] = byTwo - place;
    slots[2] = contexts.slot(HIT_ANY, 0);
    return coder.mixed(contexts, hit, 1, place - 1, SET.hit);
  }

  /** Codes half of a byte. `part`: 0 for the upper half; 1 + the upper half for the lower one. */
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

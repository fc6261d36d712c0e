import type { BitCoder } from "./bit-coder.js";

/** Text that repeats is found again within so many bytes. */
const HISTORY_BYTES = 1 << 15;
const HISTORY_MASK = HISTORY_BYTES - 1;
const MATCH_BITS = 13;

/** Kinds of contexts; above those of columns. */
const HIT = 1;
const HIT_PARENT = 2;
const HIGH = 3;
const LOW = 4;
const HIGH_PARENT = 5;
const LOW_PARENT = 6;

/**
 * Bytes of text, each predicted by what followed the last time that the same bytes came before it; one that comes
 * otherwise is coded by the two bytes before it.
 */
export class TextModel {
  private readonly history = new Uint8Array(HISTORY_BYTES);
  private readonly places = new Int32Array(1 << MATCH_BITS);
  private at = 1;
  private match = 0;
  private matched = 0;

  constructor(
    private readonly coder: BitCoder,
    private readonly id: number,
  ) {}

  /** Codes `length` bytes of a column; `bytes` are given, or filled in. */
  code(bytes: Uint8Array, length: number, column: number): void {
    const { history, places } = this;
    // Before the first one stands the column.
    let one = 0;
    let two = column & 0xff;
    let three = column >> 8;
    let four = 0;
    this.match = this.matched = 0;
    for (let i = 0; i < length; i++) {
      const hash =
        Math.imul((four << 24) | (three << 16) | (two << 8) | one, 0x9e3779b1) >>> (32 - MATCH_BITS);
      if (this.match === 0) {
        const place = places[hash] as number;
        if (place > 0 && this.at - place < HISTORY_BYTES) this.match = place;
      }
      places[hash] = this.at;
      const byte = this.codeByte(bytes[i] as number, one, two);
      bytes[i] = byte;
      if (this.match > 0 && history[this.match & HISTORY_MASK] === byte) {
        this.match++;
        this.matched++;
      } else this.match = this.matched = 0;
      history[this.at++ & HISTORY_MASK] = byte;
      four = three;
      three = two;
      two = one;
      one = byte;
    }
  }

  private codeByte(byte: number, one: number, two: number): number {
    const { coder, id, history } = this;
    const { contexts } = coder;
    if (this.match > 0) {
      const expected = history[this.match & HISTORY_MASK] as number;
      const step = Math.min(this.matched, 14) + 1;
      const hit = coder.bitOf(
        byte === expected ? 1 : 0,
        contexts.slot(id + HIT, expected) + step,
        contexts.slot(id + HIT_PARENT, 0) + step,
      );
      if (hit === 1) return expected;
    }
    const pair = (two << 8) | one;
    const high = coder.treeOf(byte >> 4, 4, contexts.slot(id + HIGH, pair), contexts.slot(id + HIGH_PARENT, one));
    const low = coder.treeOf(
      byte & 15,
      4,
      contexts.slot(id + LOW, (pair << 4) | high),
      contexts.slot(id + LOW_PARENT, (one << 4) | high),
    );
    return (high << 4) | low;
  }
}

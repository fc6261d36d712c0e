import type { BitCoder } from "./bit-coder.js";
import { TextHistory } from "./text-history.js";

/** Codes the bytes of texts. Knows nothing of their meaning. */
export interface TextModel {
  /** Codes `length` bytes of a column: they are in `bytes`, or are put there. */
  code(bytes: Uint8Array, length: number, column: number): void;
  /** Memory held, in bytes. */
  readonly bytes: number;
}

/** Text that came before is found within so many bytes; with its places it takes twice as much. */
const HISTORY_BYTES = 1 << 14;

/** Contexts, from the model's `id` on. */
const HIT = 0;
const HIT_ANY = 1;
const HIGH = 2;
const HIGH_TWO = 3;
const LOW = 4;
const LOW_TWO = 5;
export const QUICK_TEXT_CONTEXTS = 6;

/**
 * A quick model: a byte is what followed the same four the last time, or else is coded by the two before it, and by
 * the one while those are new.
 */
export class QuickTextModel implements TextModel {
  private readonly history = new TextHistory(HISTORY_BYTES);
  /** Where what is expected stands; 0: nothing is. */
  private match = 0;
  private matched = 0;

  constructor(
    private readonly coder: BitCoder,
    private readonly id: number,
  ) {}

  get bytes(): number {
    return this.history.byteLength;
  }

  code(bytes: Uint8Array, length: number, column: number): void {
    const { history, coder } = this;
    // Before the first one stands the column.
    let before = column << 8;
    this.match = this.matched = 0;
    for (let i = 0; i < length; i++) {
      const known = history.visit(Math.imul(before, 0x9e3779b1));
      if (this.match === 0) this.match = known;
      coder.contexts.growIfCrowded();
      const byte = this.codeByte(bytes[i] as number, before);
      bytes[i] = byte;
      if (this.match > 0 && history.byteAt(this.match) === byte) {
        this.match++;
        this.matched++;
      } else this.match = this.matched = 0;
      history.append(byte);
      before = (before << 8) | byte;
    }
  }

  private codeByte(byte: number, before: number): number {
    const { coder, id } = this;
    if (this.match > 0) {
      const expected = this.history.byteAt(this.match);
      const step = 1 + Math.min(this.matched, 14);
      const hit = coder.bitOr(byte === expected ? 1 : 0, step, id + HIT, expected, id + HIT_ANY, 0);
      if (hit === 1) return expected;
    }
    const one = before & 0xff;
    const two = before & 0xffff;
    const high = coder.treeOr(byte >> 4, 4, id + HIGH_TWO, two, id + HIGH, one);
    const low = coder.treeOr(byte & 15, 4, id + LOW_TWO, (two << 4) | high, id + LOW, (one << 4) | high);
    return (high << 4) | low;
  }
}

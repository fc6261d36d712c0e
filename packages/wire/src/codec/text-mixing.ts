import type { BitCoder } from "./bit-coder.js";
import { Contexts } from "./contexts.js";
import { Mixer } from "./mixer.js";
import { TextHistory } from "./text-history.js";
import type { TextModel } from "./text-model.js";

const HISTORY_BYTES = 1 << 16;
/** Contexts of none to four bytes before, and of the word. */
const ORDERS = 6;
const INPUTS = ORDERS + 1;
/** Matches longer than that are all alike. */
const LONG_MATCH = 15;
/** A match of so many bytes is asked for first. */
const SURE_MATCH = 2;
/** Contexts of its question, above those of the orders and of matches, and its weights. */
const HIT = (ORDERS + 1) * 32;
const HIT_SET = LONG_MATCH + 2;

/**
 * A thorough model: what followed the last time; else what the bytes before say (none to four) and the word, mixed.
 * A third of a microsecond a byte; its memory is bounded apart.
 */
export class MixingTextModel implements TextModel {
  private readonly contexts: Contexts;
  private readonly mixer = new Mixer({ firstWeight: 0.28, rate: 0.015 });
  private readonly history = new TextHistory(HISTORY_BYTES);
  private readonly situations = new Int32Array(ORDERS);
  private readonly slots = new Int32Array(INPUTS);
  private match = 0;
  private matched = 0;

  constructor(
    private readonly coder: BitCoder,
    maxSlots: number,
  ) {
    this.contexts = new Contexts(maxSlots);
  }

  get bytes(): number {
    return this.contexts.bytes + this.mixer.bytes + this.history.byteLength;
  }

  code(bytes: Uint8Array, length: number, column: number): void {
    const { history } = this;
    let before = 0;
    let fifth = column + 1;
    let word = column + 1;
    this.match = this.matched = 0;
    for (let i = 0; i < length; i++) {
      this.situate(before, word, column);
      const known = history.visit(Math.imul(before, 0x2c1b3c6d) ^ Math.imul(fifth & 0xff, 0x85ebca6b));
      if (this.match === 0) this.match = known;
      this.contexts.growIfCrowded();
      const byte = this.codeByte(bytes[i] as number);
      bytes[i] = byte;
      if (this.match > 0 && history.byteAt(this.match) === byte) {
        this.match++;
        this.matched++;
      } else this.match = this.matched = 0;
      history.append(byte);
      fifth = (fifth << 8) | (before >>> 24);
      before = (before << 8) | byte;
      word = isLetter(byte) ? Math.imul(word + (byte | 0x20), 0x2f0b4c47) : 0;
    }
  }

  private situate(before: number, word: number, column: number): void {
    const { situations } = this;
    situations[0] = column;
    situations[1] = ((before & 0xff) << 8) | (column & 0xff);
    situations[2] = before & 0xffff;
    situations[3] = before & 0xffffff;
    situations[4] = Math.imul(before, 0x9e3779b1);
    situations[5] = Math.imul(word, 0x5bd1e995);
  }

  private codeByte(byte: number): number {
    if (this.match > 0 && this.matched >= SURE_MATCH) {
      const expected = this.history.byteAt(this.match);
      if (this.codeHit(byte === expected ? 1 : 0, expected) === 1) return expected;
      // It is not that: the match says no more.
      this.match = this.matched = 0;
    }
    const high = this.codeNibble(byte >> 4, 0);
    return (high << 4) | this.codeNibble(byte & 15, 16 | high);
  }

  /** A match that has held for a while goes on, which is one bit instead of eight. */
  private codeHit(hit: number, expected: number): number {
    const { coder, contexts, situations, slots, mixer } = this;
    const step = 1 + Math.min(this.matched - SURE_MATCH, 14);
    slots[0] = contexts.slot(HIT, expected);
    slots[1] = contexts.slot(HIT + 1, 0);
    // This one is not told by how long the match has held.
    slots[2] = contexts.slot(HIT + 2, ((situations[2] as number) << 8) | expected) + 1 - step;
    return coder.mixed(hit, contexts, slots, step, 3, mixer, HIT_SET);
  }

  /** `part`: 0 for the high half; 16 and the high half for the low one. */
  private codeNibble(nibble: number, part: number): number {
    const { coder, contexts, slots, situations, mixer } = this;
    for (let i = 0; i < ORDERS; i++) slots[i] = contexts.slot(i * 32 + part, situations[i] as number);
    const expected = this.expect(part);
    const step = expected < 0 ? 0 : 1 + Math.min(this.matched, LONG_MATCH);
    const matching = contexts.slot(ORDERS * 32, step);
    let node = 1;
    for (let shift = 3; shift >= 0; shift--) {
      const agrees = expected >= 0 && (expected | 16) >> (shift + 1) === node;
      // At a place of its own, whatever the node.
      slots[ORDERS] = matching + (agrees ? 2 + ((expected >> shift) & 1) : 1) - node;
      const bit = coder.mixed((nibble >> shift) & 1, contexts, slots, node, INPUTS, mixer, agrees ? step : 0);
      node = (node << 1) | bit;
    }
    return node - 16;
  }

  /** The half byte that followed the last time; -1 when nothing is expected. */
  private expect(part: number): number {
    if (this.match === 0) return -1;
    const byte = this.history.byteAt(this.match);
    if (part === 0) return byte >> 4;
    return (16 | (byte >> 4)) === part ? byte & 15 : -1;
  }
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || byte >= 0x80;
}

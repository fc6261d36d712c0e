import type { BitCoder } from "./bit-coder.js";
import { Contexts } from "./contexts.js";
import { Mixer } from "./mixer.js";

const HISTORY_BYTES = 1 << 16;
const HISTORY_MASK = HISTORY_BYTES - 1;
const MATCH_BITS = 14;
const ORDERS = 7;
const INPUTS = ORDERS + 1;

/** Text by what stands before it: some lengths of context, the word, and what followed the same text the last time. */
export class TextMixing {
  private readonly contexts: Contexts;
  private readonly mixer = new Mixer(0.28, 0.015);
  private readonly history = new Uint8Array(HISTORY_BYTES);
  private readonly places = new Int32Array(1 << MATCH_BITS);
  private readonly inputs = new Int32Array(INPUTS);
  private readonly slots = new Int32Array(INPUTS);
  private readonly hashes = new Int32Array(ORDERS);
  private at = 1;
  private match = 0;
  private matched = 0;

  constructor(
    private readonly coder: BitCoder,
    maxSlots: number,
  ) {
    this.contexts = new Contexts(maxSlots);
  }

  code(bytes: Uint8Array, length: number, column: number): void {
    const { history, places, hashes } = this;
    let four = 0;
    let eight = column + 1;
    let word = column + 1;
    this.match = this.matched = 0;
    for (let i = 0; i < length; i++) {
      hashes[0] = column;
      hashes[1] = ((four & 0xff) << 8) | (column & 0xff) | 0x1000000;
      hashes[2] = (four & 0xffff) | 0x2000000;
      hashes[3] = (four & 0xffffff) | 0x3000000;
      hashes[4] = Math.imul(four, 0x9e3779b1) ^ 4;
      hashes[5] = Math.imul(four, 0x9e3779b1) ^ Math.imul(eight & 0xffff, 0x2f0b4c47) ^ 5;
      hashes[6] = Math.imul(word, 0x5bd1e995) ^ 6;
      const key = (Math.imul(four, 0x2c1b3c6d) ^ Math.imul(eight & 0xff, 0x85ebca6b)) >>> (32 - MATCH_BITS);
      if (this.match === 0) {
        const place = places[key] as number;
        if (place > 0 && this.at - place < HISTORY_BYTES) this.match = place;
      }
      places[key] = this.at;
      const byte = this.codeByte(bytes[i] as number);
      bytes[i] = byte;
      if (this.match > 0 && history[this.match & HISTORY_MASK] === byte) {
        this.match++;
        this.matched++;
      } else this.match = this.matched = 0;
      history[this.at++ & HISTORY_MASK] = byte;
      eight = (eight << 8) | (four >>> 24);
      four = (four << 8) | byte;
      const letter = (byte | 32) >= 97 && (byte | 32) <= 122 || byte >= 128;
      word = letter ? Math.imul(word + (byte | 32), 0x2f0b4c47) : 0;
    }
    this.contexts.growIfCrowded();
  }

  private codeByte(byte: number): number {
    const high = this.codeNibble(byte >> 4, 1);
    return (high << 4) | this.codeNibble(byte & 15, 16 + high);
  }

  private codeNibble(nibble: number, part: number): number {
    const { coder, contexts, slots, hashes, inputs, mixer } = this;
    for (let i = 0; i < ORDERS; i++) slots[i] = contexts.slot((hashes[i] as number) ^ (i << 28), part);
    const expected = this.match > 0 ? (this.history[this.match & HISTORY_MASK] as number) : -1;
    const whole = part === 1 ? expected >> 4 : expected >= 0 && 16 + (expected >> 4) === part ? expected & 15 : -1;
    const step = Math.min(this.matched, 15);
    const predicted = contexts.slot(-1 - (whole < 0 ? 0 : 1 + step), 0);
    let node = 1;
    for (let shift = 3; shift >= 0; shift--) {
      for (let i = 0; i < ORDERS; i++) inputs[i] = (slots[i] as number) + node;
      const agrees = whole >= 0 && ((whole | 16) >> (shift + 1)) === node;
      inputs[ORDERS] = predicted + (agrees ? 1 + ((whole >> shift) & 1) : 3);
      const chance = mixer.mix(contexts.chances, inputs, INPUTS, agrees ? 1 + step : 0);
      const bit = coder.split((nibble >> shift) & 1, chance);
      mixer.learn(bit, INPUTS);
      for (let i = 0; i < INPUTS; i++) contexts.learn(inputs[i] as number, bit);
      node = (node << 1) | bit;
    }
    return node - 16;
  }
}

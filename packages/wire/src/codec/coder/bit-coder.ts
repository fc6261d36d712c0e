import * as cell from "./contexts.js";
import { Contexts } from "./contexts.js";
import * as mixer from "./mixer.js";

/** Copies in this module: V8 compiles them into the code. V8 would load and check an imported constant at every use. */
const { COUNT_BITS, learned, ageOf, isSure } = cell;
const { SIDE, SET_SIZE, MAX_WEIGHT, WEIGHT_RATE, SQUASHED, STRETCHED } = mixer;
const STEP_BITS = COUNT_BITS + mixer.COARSE;

/** Registers are 31 bits wide: such integers stay machine integers in every JavaScript engine. */
const TOP = 0x7fffffff;
/** The upper eight bits, which leave the registers first. */
const HEAD = 0x7f800000;
const EVEN = 32_768;
const INITIAL_BYTES = 1_024;
/** Bits of a chunk, in which bits without a prediction are coded. */
const RAW_STEP = 8;

/** Numbers, not booleans: V8 tests a field of numbers in fewer instructions. */
const WRITING = 0;
const READING = 1;

/** 2^0 to 2^63: exact, and quicker than `**`. */
export const POWERS_OF_TWO = Float64Array.from({ length: 64 }, (_, i) => 2 ** i);

/**
 * A binary arithmetic coder whose routines both write and read. An encoder passes each bit; a decoder receives the bit
 * as the result. So a model is written once, on top of them, and cannot differ between the two sides. The coder has no
 * carry, and uses integers alone: every language produces the same bytes.
 */
export class BitCoder {
  readonly contexts: Contexts;
  /** Slots of the situations of the next symbol, for `treeIn` and `mixed`. The most informative one is first. */
  readonly slots = new Int32Array(mixer.INPUTS);
  private mode = WRITING;
  private readonly weights = mixer.createWeights();
  private low = 0;
  private high = TOP;
  private readonly output = new Output();
  private input: Uint8Array = EMPTY;
  private at = 0;
  private end = 0;
  /** The 32 bits of input that begin where the registers do. */
  private window = 0;

  constructor(maxSlots: number) {
    this.contexts = new Contexts(maxSlots);
  }

  get decoding(): boolean {
    return this.mode === READING;
  }

  /** Memory held, in bytes. */
  get bytes(): number {
    return this.contexts.bytes + this.weights.byteLength + this.output.bytes;
  }

  /** Begins to write a message. */
  beginEncoding(): void {
    this.mode = WRITING;
    this.low = 0;
    this.high = TOP;
    this.output.length = 0;
  }

  /** Begins to read the message from `start` to `end`. The coder reads zeros after the end. */
  beginDecoding(bytes: Uint8Array, start: number, end: number): void {
    this.mode = READING;
    this.low = 0;
    this.high = TOP;
    this.input = bytes;
    this.at = start;
    this.end = end;
    this.window = 0;
    for (let i = 0; i < 4; i++) this.window = (this.window << 8) | this.nextByte();
  }

  /**
   * Ends the message, and returns the shortest bytes that lie in the interval when zeros follow. The result is a view,
   * valid until the next message.
   */
  finish(): Uint8Array {
    const { low, high, output } = this;
    let kept = 0;
    let value = 0;
    for (; kept < 4; kept++) {
      const unit = POWERS_OF_TWO[31 - 8 * kept] as number;
      value = Math.ceil(low / unit) * unit;
      if (value <= high) break;
    }
    // The fourth byte holds seven bits of the register.
    if (kept === 4) value = low;
    for (let i = 0; i < kept; i++) output.put((i < 3 ? value >>> (23 - 8 * i) : value << 1) & 0xff);
    return output.withoutZeros();
  }

  /** Codes `bit` by the chance of a context, which then learns. */
  bit(bit: number, context: number): number {
    return this.bitOf(this.contexts, bit, context);
  }

  /** As `bit`, by a context of another table. */
  bitOf({ cells }: Contexts, bit: number, context: number): number {
    const cell = cells[context] as number;
    const coded = this.split(bit, cell >> COUNT_BITS);
    cells[context] = learned(cell, coded);
    return coded;
  }

  /**
   * As `bit`, by the context at `place` of a slot. While that context is young, the context at the same place of the
   * other slot gives the chance, and both learn.
   */
  bitOr(
    bit: number,
    place: number,
    id: number,
    situation: number,
    otherId: number,
    otherSituation: number,
  ): number {
    const { contexts } = this;
    const context = contexts.slot(id, situation) + place;
    if (!contexts.isYoung(context)) return this.bit(bit, context);
    return this.bitBeside(bit, context, contexts.slot(otherId, otherSituation) + place);
  }

  /** Codes `value` as a tree of bits, each as `bitOr` does. `before` is added to the places in both slots. */
  treeOr(
    value: number,
    width: number,
    id: number,
    situation: number,
    otherId: number,
    otherSituation: number,
    before = 0,
  ): number {
    const { contexts } = this;
    const slot = contexts.slot(id, situation) + before;
    let other = -1;
    let node = 1;
    for (let shift = width - 1; shift >= 0; shift--) {
      const bit = (value >>> shift) & 1;
      if (!contexts.isYoung(slot + node)) node = (node << 1) | this.bit(bit, slot + node);
      else {
        if (other < 0) other = contexts.slot(otherId, otherSituation) + before;
        node = (node << 1) | this.bitBeside(bit, slot + node, other + node);
      }
    }
    return node - (1 << width);
  }

  private bitBeside(bit: number, context: number, other: number): number {
    const { contexts } = this;
    const coded = this.split(bit, contexts.chance(other));
    contexts.learn(context, coded);
    contexts.learn(other, coded);
    return coded;
  }

  /**
   * Codes `value` of `width` bits (at most 4), from the highest. Each bit has its own context for each value of the
   * bits before it.
   */
  tree(value: number, width: number, slot: number): number {
    return this.treeOf(this.contexts, value, width, slot);
  }

  /** As `tree`, by contexts of another table. */
  treeOf(contexts: Contexts, value: number, width: number, slot: number): number {
    let node = 1;
    for (let shift = width - 1; shift >= 0; shift--)
      node = (node << 1) | this.bitOf(contexts, (value >>> shift) & 1, slot + node);
    return node - (1 << width);
  }

  /**
   * Codes `bit` by a mixture of the contexts at `place` of three slots, with the weights of `set`. The most informative
   * slot is first. If its context is sure, it codes the bit alone, and the other slots are not looked up.
   */
  bitIn(
    bit: number,
    place: number,
    set: number,
    id: number,
    situation: number,
    id2: number,
    situation2: number,
    id3: number,
    situation3: number,
  ): number {
    const { contexts, slots } = this;
    const first = contexts.slot(id, situation);
    if (contexts.isSure(first + place)) return this.bit(bit, first + place);
    slots[0] = first;
    slots[1] = contexts.slot(id2, situation2);
    slots[2] = contexts.slot(id3, situation3);
    return this.mixed(contexts, bit, 1, place - 1, set);
  }

  /**
   * Codes `value` as a tree of bits, mixed from `slots` with the weights of `set`. `before` is added to the places in
   * them.
   */
  treeIn(value: number, width: number, set: number, before = 0): number {
    return this.mixed(this.contexts, value, width, before, set);
  }

  /**
   * Codes `value` as a tree of bits. Each bit is mixed from the contexts at the same place of all `slots`, which all
   * learn. If the context of the first slot is sure, it codes the bit alone, and only it learns.
   *
   * The weights depend on `set`, and on how much the first context has seen. `contexts`: the table of the slots.
   * `before` is added to the places in them. The method is in one piece, because most time is spent here.
   */
  mixed(contexts: Contexts, value: number, width: number, before: number, set: number): number {
    const { slots, weights } = this;
    const { cells } = contexts;
    const slotA = (slots[0] as number) + before;
    const slotB = (slots[1] as number) + before;
    const slotC = (slots[2] as number) + before;
    let node = 1;
    for (let shift = width - 1; shift >= 0; shift--) {
      const bit = (value >>> shift) & 1;
      const cellA = cells[slotA + node] as number;
      if (isSure(cellA)) {
        node = (node << 1) | this.bitOf(contexts, bit, slotA + node);
        continue;
      }
      const cellB = cells[slotB + node] as number;
      const cellC = cells[slotC + node] as number;
      const saidA = STRETCHED[cellA >> STEP_BITS] as number;
      const saidB = STRETCHED[cellB >> STEP_BITS] as number;
      const saidC = STRETCHED[cellC >> STEP_BITS] as number;
      const from = (set * 4 + ageOf(cellA)) * SET_SIZE;
      const weightA = weights[from] as number;
      const weightB = weights[from + 1] as number;
      const weightC = weights[from + 2] as number;
      const sum = (Math.imul(saidA, weightA) + Math.imul(saidB, weightB) + Math.imul(saidC, weightC)) | 0;
      const step = (sum >> 16) + SIDE;
      const chance = SQUASHED[step < 0 ? 0 : step < 2 * SIDE ? step : 2 * SIDE - 1] as number;
      const coded = this.split(bit, chance);
      const error = Math.imul((coded << 16) - chance, WEIGHT_RATE);
      weights[from] = weighed(weightA, Math.imul(error, saidA));
      weights[from + 1] = weighed(weightB, Math.imul(error, saidB));
      weights[from + 2] = weighed(weightC, Math.imul(error, saidC));
      cells[slotA + node] = learned(cellA, coded);
      cells[slotB + node] = learned(cellB, coded);
      cells[slotC + node] = learned(cellC, coded);
      node = (node << 1) | coded;
    }
    return node - (1 << width);
  }

  /** Codes an integer of `width` bits, at most 53, without a prediction. */
  raw(value: number, width: number): number {
    let coded = 0;
    for (let left = width; left > 0;) {
      const step = left < RAW_STEP ? left : RAW_STEP;
      left -= step;
      const count = 1 << step;
      coded =
        coded * count + this.chunk(Math.floor(value / (POWERS_OF_TWO[left] as number)) & (count - 1), step);
    }
    return coded;
  }

  private chunk(value: number, width: number): number {
    const unit = (this.high - this.low) >>> width;
    if (unit === 0) {
      // The interval is narrow for a moment.
      let coded = 0;
      for (let shift = width - 1; shift >= 0; shift--)
        coded = (coded << 1) | this.split((value >>> shift) & 1, EVEN);
      return coded;
    }
    const last = (1 << width) - 1;
    if (this.decoding) value = Math.min(last, Math.floor(((this.window >>> 1) - this.low) / unit));
    if (value < last) this.high = this.low + unit * (value + 1) - 1;
    this.low += unit * value;
    if (((this.low ^ this.high) & HEAD) === 0) this.shift();
    return value;
  }

  /** Codes a bit. `chance`: of a 1, in 65,536ths. */
  private split(bit: number, chance: number): number {
    let { low, high } = this;
    const range = (high - low) | 0;
    // = low + floor(range · chance / 65,536), without leaving 32 bits.
    const middle = (low + Math.imul(range >>> 16, chance) + (Math.imul(range & 0xffff, chance) >>> 16)) | 0;
    if (this.decoding) bit = this.window >>> 1 <= middle ? 1 : 0;
    if (bit === 1) this.high = high = middle;
    else this.low = low = (middle + 1) | 0;
    if (((low ^ high) & HEAD) === 0) this.shift();
    return bit;
  }

  private shift(): void {
    do {
      if (this.decoding) this.window = (this.window << 8) | this.nextByte();
      else this.output.put(this.high >>> 23);
      this.low = (this.low << 8) & TOP;
      this.high = ((this.high << 8) & TOP) | 0xff;
    } while (((this.low ^ this.high) & HEAD) === 0);
  }

  private nextByte(): number {
    const at = this.at++;
    return at < this.end ? (this.input[at] as number) : 0;
  }
}

const EMPTY = new Uint8Array(0);

/** Returns a weight after an error, rounded and bounded. */
function weighed(weight: number, error: number): number {
  const to = weight + ((error + 0x8000) >> 16);
  return to > MAX_WEIGHT ? MAX_WEIGHT : to < -MAX_WEIGHT ? -MAX_WEIGHT : to;
}

class Output {
  length = 0;
  private buffer = new Uint8Array(INITIAL_BYTES);

  get bytes(): number {
    return this.buffer.length;
  }

  put(byte: number): void {
    if (this.length === this.buffer.length) {
      const larger = new Uint8Array(this.buffer.length * 2);
      larger.set(this.buffer);
      this.buffer = larger;
    }
    this.buffer[this.length++] = byte;
  }

  withoutZeros(): Uint8Array {
    let { length } = this;
    while (length > 0 && this.buffer[length - 1] === 0) length--;
    return this.buffer.subarray(0, length);
  }
}

import { Contexts } from "./contexts.js";
import { MAX_INPUTS, Mixer } from "./mixer.js";

/** Registers are 31 bits wide: such integers stay machine integers in every JavaScript engine. */
const TOP = 0x7fffffff;
/** The eight bits that leave first. */
const HEAD = 0x7f800000;
const INITIAL_BYTES = 1_024;
/** Of contexts: 16 to a slot. */
const MAX_SLOTS = 1 << 11;

/**
 * A binary arithmetic coder whose one routine, `bit`, both writes and reads: given the bit when encoding, giving it when
 * decoding. So a model that is written once cannot differ between the two sides. Carryless, in integers alone: the same
 * bytes in every engine.
 */
export class BitCoder {
  readonly contexts = new Contexts(MAX_SLOTS);
  private low = 0;
  private high = TOP;
  /** When decoding: the 32 bits of input that begin where the registers do. */
  private window = 0;
  private bytes: Uint8Array = new Uint8Array(INITIAL_BYTES);
  private at = 0;
  private end = 0;

  /** Slots of the situations that the next symbol is in, the most telling first; the second speaks for the first while that is young. */
  readonly slots = new Int32Array(MAX_INPUTS);
  private readonly inputs = new Int32Array(MAX_INPUTS);
  private readonly mixer: Mixer | undefined;

  constructor(
    readonly decoding: boolean,
    readonly mixing = false,
  ) {
    this.mixer = mixing ? new Mixer() : undefined;
  }

  /** Begins a message; decoding, it is in `bytes` from `start` to `end`. Behind its end there are zeros. */
  begin(bytes?: Uint8Array, start = 0, end = bytes?.length ?? 0): void {
    this.low = 0;
    this.high = TOP;
    this.at = start;
    if (!this.decoding) return;
    this.bytes = bytes as Uint8Array;
    this.end = end;
    this.window = 0;
    for (let i = 0; i < 4; i++) this.window = (this.window << 8) | this.nextByte();
  }

  /** How many bytes were read beyond the end: a decoder that goes on and on reads nothing but zeros. */
  get overrun(): number {
    return Math.max(0, this.at - 4 - this.end);
  }

  /** Ends a message: the shortest bytes that, with zeros behind, lie in the interval. A view, until the next `begin`. */
  finish(): Uint8Array {
    for (let kept = 0; kept < 4; kept++) {
      const unit = 2 ** (31 - 8 * kept);
      const value = Math.ceil(this.low / unit) * unit;
      if (value > this.high) continue;
      for (let i = 0; i < kept; i++) this.put((value >>> (23 - 8 * i)) & 0xff);
      return this.trimmed();
    }
    // The last one holds seven bits of the register.
    for (const shift of [23, 15, 7]) this.put((this.high >>> shift) & 0xff);
    this.put((this.high << 1) & 0xff);
    return this.trimmed();
  }

  private trimmed(): Uint8Array {
    let end = this.at;
    while (end > 0 && this.bytes[end - 1] === 0) end--;
    return this.bytes.subarray(0, end);
  }

  /** Codes `bit` by what context `index` has seen, and lets it learn. */
  bit(bit: number, index: number): number {
    const coded = this.split(bit, this.contexts.chance(index));
    this.contexts.learn(index, coded);
    return coded;
  }

  /** As `bit`, by a context that is new or nearly so: until it knows better, `parent` speaks for it. */
  bitOf(bit: number, index: number, parent: number): number {
    const { contexts } = this;
    const young = contexts.isYoung(index);
    const coded = this.split(bit, contexts.chance(young ? parent : index));
    contexts.learn(index, coded);
    if (young) contexts.learn(parent, coded);
    return coded;
  }

  /** As `bit`, in `count` situations, whose slots are in `slots`, at the same place of each. */
  bitIn(bit: number, place: number, count: number, set: number): number {
    const { mixer, slots, contexts } = this;
    if (mixer === undefined) return this.bitOf(bit, (slots[0] as number) + place, (slots[1] as number) + place);
    const { inputs } = this;
    for (let i = 0; i < count; i++) inputs[i] = (slots[i] as number) + place;
    const coded = this.split(bit, mixer.mix(contexts.chances, inputs, count, set * 4 + contexts.age(inputs[0] as number)));
    mixer.learn(coded, count);
    for (let i = 0; i < count; i++) contexts.learn(inputs[i] as number, coded);
    return coded;
  }

  treeIn(value: number, width: number, count: number, set: number): number {
    let node = 1;
    for (let shift = width - 1; shift >= 0; shift--)
      node = (node << 1) | this.bitIn((value >>> shift) & 1, node, count, set);
    return node - (1 << width);
  }

  /** `value` of `width` bits, from the highest, each in the context of those before; `slot` begins 2^width contexts. */
  tree(value: number, width: number, slot: number): number {
    let node = 1;
    for (let shift = width - 1; shift >= 0; shift--)
      node = (node << 1) | this.bit((value >>> shift) & 1, slot + node);
    return node - (1 << width);
  }

  treeOf(value: number, width: number, slot: number, parent: number): number {
    let node = 1;
    for (let shift = width - 1; shift >= 0; shift--)
      node = (node << 1) | this.bitOf((value >>> shift) & 1, slot + node, parent + node);
    return node - (1 << width);
  }

  /** An integer of `width` bits, at most 53, that nothing is known of. */
  raw(value: number, width: number): number {
    let result = 0;
    for (let left = width; left > 0;) {
      const step = Math.min(left, 8);
      left -= step;
      const unit = 2 ** left;
      result = result * (1 << step) + this.chunk(Math.floor(value / unit) & ((1 << step) - 1), step);
    }
    return result;
  }

  private chunk(value: number, width: number): number {
    const unit = (this.high - this.low) >>> width;
    if (unit === 0) {
      // A narrow interval, which is rare.
      let result = 0;
      for (let shift = width - 1; shift >= 0; shift--)
        result = (result << 1) | this.split((value >>> shift) & 1, 32_768);
      return result;
    }
    const last = (1 << width) - 1;
    if (this.decoding) value = Math.min(last, Math.floor(((this.window >>> 1) - this.low) / unit));
    if (value < last) this.high = this.low + unit * (value + 1) - 1;
    this.low += unit * value;
    if (((this.low ^ this.high) & HEAD) === 0) this.shift();
    return value;
  }

  /** `chance`: of a 1, in 65,536ths. */
  split(bit: number, chance: number): number {
    const range = this.high - this.low;
    // = floor(range · chance / 65,536), without leaving 32 bits.
    const middle = this.low + (range >>> 16) * chance + (Math.imul(range & 0xffff, chance) >>> 16);
    if (this.decoding) bit = this.window >>> 1 <= middle ? 1 : 0;
    if (bit === 1) this.high = middle;
    else this.low = middle + 1;
    if (((this.low ^ this.high) & HEAD) === 0) this.shift();
    return bit;
  }

  private shift(): void {
    do {
      if (this.decoding) this.window = (this.window << 8) | this.nextByte();
      else this.put(this.high >>> 23);
      this.low = (this.low << 8) & TOP;
      this.high = ((this.high << 8) & TOP) | 0xff;
    } while (((this.low ^ this.high) & HEAD) === 0);
  }

  private nextByte(): number {
    const at = this.at++;
    return at < this.end ? (this.bytes[at] as number) : 0;
  }

  private put(byte: number): void {
    if (this.at === this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes[this.at++] = byte;
  }
}

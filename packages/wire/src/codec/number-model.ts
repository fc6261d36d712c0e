import type { BitCoder } from "./bit-coder.js";
import { bitLength, fromScaled, MAX_SCALED, rescale, toScaled } from "./scaled.js";

const LAST = 0;
const LINEAR = 1;
const MEAN = 2;
const ZERO = 3;
const SUCCESSOR = 4;
const OWN_PREDICTORS = 5;
/** So many numbers before this one, in the same row, predict it too: each by its value and by its step. */
const NEIGHBOURS = 8;
const PREDICTORS = OWN_PREDICTORS + 2 * NEIGHBOURS;

/** What a prediction missed in the past weighs less and less. */
const DECAY = 0.98;
/** A prediction other than the last value must have been better by these: they would take turns otherwise. */
const MUST_BEAT = 0.97;
const MUST_BEAT_BITS = 2;
const MEAN_RATE = 0.06;
const MAX_SUCCESSORS = 2_048;
/** After so many multiples of ten the scale was too fine. */
const TENS = 24;

const ESCAPE = 15;
const EXACT_BITS = 3;

/** Numbers of the row that is being coded, in their order. */
export type RowNumbers = NumberModel[];

/** Kinds of contexts of one model. */
const LENGTH = 0;
const SIGN = 1;
const LEAD = 2;
const LONG = 3;
export const NUMBER_CONTEXTS = 4;

/** A series of scaled integers: each is predicted, and what the prediction missed is coded. */
export class NumberModel {
  exponent = 0;
  kind = 0;
  /** As it was last coded. */
  value = 0;
  private before = 0;
  private last = 0;
  private secondLast = 0;
  private mean = 0;
  private lastBits = 0;
  private lastSign = 0;
  private tens = 0;
  private readonly costs = new Float64Array(PREDICTORS);
  private readonly successors = new Map<number, number>();

  constructor(
    private readonly coder: BitCoder,
    private readonly id: number,
    private readonly parent: number,
  ) {}

  setScale(kind: number, exponent: number): void {
    if (kind === this.kind && exponent === this.exponent) return;
    this.kind = kind;
    const from = this.exponent;
    this.last = rescale(this.last, from, exponent);
    this.secondLast = rescale(this.secondLast, from, exponent);
    this.mean = rescale(this.mean, from, exponent);
    this.exponent = exponent;
    this.successors.clear();
    this.tens = 0;
  }

  /** `value` fits the scale. */
  code(value: number, row: RowNumbers): number {
    const { exponent, costs, last } = this;
    const count = this.predict(row);
    let best = LAST;
    const bar = (costs[LAST] as number) * MUST_BEAT - MUST_BEAT_BITS;
    let bestCost = costs[LAST] as number;
    for (let i = 1; i < count; i++) {
      const cost = costs[i] as number;
      if (cost < bar && cost < bestCost) {
        best = i;
        bestCost = cost;
      }
    }
    const guess = guesses[best] as number;
    const prediction = Math.abs(guess) <= MAX_SCALED ? guess : last;
    const scaled = prediction + this.codeMiss(this.coder.decoding ? 0 : toScaled(value, exponent) - prediction);
    for (let i = 0; i < count; i++) {
      const miss = Math.abs(scaled - (guesses[i] as number));
      costs[i] = (costs[i] as number) * DECAY + (miss === 0 ? 0 : 1 + bitLength(Math.min(miss, MAX_SCALED)));
    }
    const coded = fromScaled(scaled, exponent, this.kind);
    if (last !== scaled) {
      if (this.successors.size >= MAX_SUCCESSORS) this.successors.clear();
      this.successors.set(last, scaled);
    }
    this.secondLast = last;
    this.last = scaled;
    this.mean += (scaled - this.mean) * MEAN_RATE;
    this.before = this.value;
    this.value = coded;
    row.push(this);
    if (scaled !== 0) {
      if (scaled % 10 !== 0) this.tens = 0;
      else if (++this.tens >= TENS && exponent > -6 && this.kind === 0) this.setScale(0, exponent - 1);
    }
    return coded;
  }

  private predict(row: RowNumbers): number {
    const { last, secondLast, exponent } = this;
    guesses[LAST] = last;
    guesses[LINEAR] = 2 * last - secondLast;
    guesses[MEAN] = Math.round(this.mean);
    guesses[ZERO] = 0;
    guesses[SUCCESSOR] = this.successors.get(last) ?? last;
    let count = OWN_PREDICTORS;
    for (let i = row.length - 1, end = Math.max(0, row.length - NEIGHBOURS); i >= end; i--) {
      const other = row[i] as NumberModel;
      const now = toScaled(other.value, exponent);
      guesses[count++] = now;
      guesses[count++] = last + now - toScaled(other.before, exponent);
    }
    return count;
  }

  private codeMiss(miss: number): number {
    const { coder, id, parent, lastBits } = this;
    const { contexts } = coder;
    let size = Math.abs(miss);
    const bits = coder.decoding ? 0 : bitLength(size);
    let length = coder.treeOf(
      Math.min(bits, ESCAPE),
      4,
      contexts.slot(id + LENGTH, lastBits),
      contexts.slot(parent + LENGTH, lastBits),
    );
    let sign = 0;
    if (length > 0) {
      if (length === ESCAPE) length = this.codeLongLength(bits);
      const signs = contexts.slot(id + SIGN, 0);
      sign = coder.bit(miss < 0 ? 1 : 0, signs + 1 + this.lastSign);
      const leads = contexts.slot(id + LEAD, length) + 8 * sign;
      let left = length - 1;
      let lead = 1;
      for (let exact = Math.min(left, EXACT_BITS); exact > 0; exact--) {
        left--;
        lead = (lead << 1) | coder.bit(Math.floor(size / 2 ** left) & 1, leads + lead);
      }
      size = lead * 2 ** left + coder.raw(coder.decoding ? 0 : size % 2 ** left, left);
      this.lastSign = 1 + sign;
    } else this.lastSign = 0;
    this.lastBits = length;
    return sign === 1 ? -size : size;
  }

  private codeLongLength(bits: number): number {
    const { contexts } = this.coder;
    const over = Math.max(0, bits - ESCAPE);
    const high = this.coder.tree(over >> 4, 2, contexts.slot(this.id + LONG, 0));
    return ESCAPE + high * 16 + this.coder.tree(over & 15, 4, contexts.slot(this.id + LONG, 1 + high));
  }
}

/** Of the number being coded; shared, since one is coded at a time. */
const guesses = new Float64Array(PREDICTORS);

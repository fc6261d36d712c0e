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

/** What was coded before, of the row that is being coded. */
export class Row {
  /** Its numbers, in their order. */
  readonly numbers: NumberModel[] = [];
  /** Of its last leaf. */
  kind = 0;
  /** Says which its last text was, truth value or null. */
  word = 0;

  begin(): void {
    this.numbers.length = 0;
    this.kind = 0;
    this.word = 0;
  }
}

/** Kinds of contexts of one model. */
const LENGTH = 0;
const SIGN = 1;
const LEAD = 2;
const LONG = 3;
const LENGTH_TREND = 4;
const LENGTH_ROW = 5;
const LENGTH_GUESS = 6;
const SIGN_TREND = 7;
const SIGN_ROW = 8;
const LEAD_TREND = 9;
export const NUMBER_CONTEXTS = 10;

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
  private secondLastBits = 0;
  private secondLastSign = 0;
  private slowBits = 0;
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
  code(value: number, row: Row): number {
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
    const scaled = prediction + this.codeMiss(this.coder.decoding ? 0 : toScaled(value, exponent) - prediction, Math.min(best, OWN_PREDICTORS), row);
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
    row.numbers.push(this);
    if (scaled !== 0) {
      if (scaled % 10 !== 0) this.tens = 0;
      else if (++this.tens >= TENS && exponent > -6 && this.kind === 0) this.setScale(0, exponent - 1);
    }
    return coded;
  }

  private predict(row: Row): number {
    const { last, secondLast, exponent } = this;
    guesses[LAST] = last;
    guesses[LINEAR] = 2 * last - secondLast;
    guesses[MEAN] = Math.round(this.mean);
    guesses[ZERO] = 0;
    guesses[SUCCESSOR] = this.successors.get(last) ?? last;
    let count = OWN_PREDICTORS;
    const { numbers } = row;
    for (let i = numbers.length - 1, end = Math.max(0, numbers.length - NEIGHBOURS); i >= end; i--) {
      const other = numbers[i] as NumberModel;
      const now = toScaled(other.value, exponent);
      guesses[count++] = now;
      guesses[count++] = last + now - toScaled(other.before, exponent);
    }
    return count;
  }

  private codeMiss(miss: number, guess: number, row: Row): number {
    const { coder, id, parent, lastBits } = this;
    const { contexts, slots, mixing } = coder;
    const before = row.numbers[row.numbers.length - 1];
    const rowBits = before === undefined ? 0 : 1 + before.lastBits;
    let size = Math.abs(miss);
    const bits = coder.decoding ? 0 : bitLength(size);
    slots[0] = contexts.slot(id + LENGTH, lastBits);
    slots[1] = contexts.slot(parent + LENGTH, lastBits);
    if (mixing) {
      slots[2] = contexts.slot(id + LENGTH_TREND, (this.secondLastBits * 64 + lastBits) * 64 + this.slowBits);
      slots[3] = contexts.slot(id + LENGTH_ROW, rowBits);
      slots[4] = contexts.slot(id + LENGTH_GUESS, guess * 64 + this.slowBits);
    }
    let length = coder.treeIn(Math.min(bits, ESCAPE), 4, 5, parent + LENGTH);
    let sign = 0;
    if (length > 0) {
      if (length === ESCAPE) length = this.codeLongLength(bits);
      slots[0] = contexts.slot(id + SIGN, 0);
      slots[1] = contexts.slot(parent + SIGN, 0);
      if (mixing) {
        slots[2] = contexts.slot(id + SIGN_TREND, this.secondLastSign * 64 + length);
        slots[3] = contexts.slot(id + SIGN_ROW, guess * 4 + (before?.lastSign ?? 3));
      }
      sign = coder.bitIn(miss < 0 ? 1 : 0, 1 + this.lastSign, 4, parent + SIGN);
      slots[0] = contexts.slot(id + LEAD, length);
      slots[1] = contexts.slot(parent + LEAD, length);
      if (mixing) {
        slots[2] = contexts.slot(id + LEAD_TREND, (length * 64 + lastBits) * 2 + sign);
        slots[3] = contexts.slot(id + LEAD_TREND, (length * 64 + guess) * 2 + sign + 65_536);
      }
      let left = length - 1;
      let lead = 1;
      for (let exact = Math.min(left, EXACT_BITS); exact > 0; exact--) {
        left--;
        lead = (lead << 1) | coder.bitIn(Math.floor(size / 2 ** left) & 1, lead + 8 * sign, 4, parent + LEAD);
      }
      size = lead * 2 ** left + coder.raw(coder.decoding ? 0 : size % 2 ** left, left);
    }
    this.secondLastSign = this.lastSign;
    this.lastSign = length > 0 ? 1 + sign : 0;
    this.slowBits = (this.slowBits * 3 + length) >> 2;
    this.secondLastBits = lastBits;
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

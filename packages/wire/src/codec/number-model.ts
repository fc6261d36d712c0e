import { malformed } from "../msgpack.js";
import type { BitCoder } from "./bit-coder.js";
import { SET } from "./mixer-sets.js";
import type { Row } from "./row.js";
import { bitLength, DECIMAL, fromScaled, MAX_SCALED, MIN_EXPONENT, rescale, toScaled } from "./scaled.js";
import type { Successors } from "./successors.js";

/** What may come next: each is right for other series. */
const LAST = 0;
const LINEAR = 1;
const MEAN = 2;
const ZERO = 3;
const SUCCESSOR = 4;
const OWN_PREDICTIONS = 5;
/** So many numbers before this one in its row predict it too: each by its value and by its step. */
const NEIGHBOURS = 4;
const PREDICTIONS = OWN_PREDICTIONS + 2 * NEIGHBOURS;

/** What a prediction missed weighs less and less. */
const DECAY = 0.98;
/** A prediction other than the last value must have been better by both: otherwise they would take turns. */
const MUST_BEAT = 0.97;
const MUST_BEAT_BITS = 2;
const MEAN_RATE = 0.06;
/** After so many multiples of ten in a row the scale was too fine. */
const TENS = 24;

/** Of the number that is being coded. */
const GUESSES = new Float64Array(PREDICTIONS);

/** So often predicted rightly in a row, a series is calm. */
const CALM = 8;

/** Lengths from here on are rare: they take a second symbol. */
const LONG = 15;
/** Bits below the highest that are adaptive; the rest is noise. */
const LEAD_BITS = 3;

/** Contexts of one model, from its `id` on. */
const LENGTH = 0;
const LENGTH_TREND = 1;
const LENGTH_ROW = 2;
const LENGTH_GUESS = 3;
const LENGTH_LONG = 4;
const SIGN = 5;
const SIGN_TREND = 6;
const SIGN_ROW = 7;
const LEAD = 8;
const STILL = 9;
export const NUMBER_CONTEXTS = 10;

export interface NumberModelOptions {
  readonly coder: BitCoder;
  readonly successors: Successors;
  /** First of its contexts. */
  readonly id: number;
  /** First of the contexts that all models of its sort share: they speak while its own are new. */
  readonly sharedId: number;
  /** Its scale may become coarser by itself; whoever codes with it checks that numbers fit. */
  readonly coarsens?: boolean;
}

/** A series of scaled integers: each is predicted, and by how much that missed is coded. */
export class NumberModel {
  exponent = 0;
  kind = DECIMAL;
  /** What came last. */
  value = 0;
  private valueBefore = 0;
  private last = 0;
  private secondLast = 0;
  private mean = 0;
  private tens = 0;
  /** The prediction that has done best. */
  private best = LAST;
  /** How often in a row it was right. */
  private calm = 0;
  /** Bits that each prediction would have missed by, the newest weighing most. */
  private readonly costs = new Float64Array(PREDICTIONS);
  // Of the last misses: bits, their running mean, and signs (0: none, 1: up, 2: down).
  private bits = 0;
  private secondBits = 0;
  private meanBits = 0;
  private sign = 0;
  private secondSign = 0;

  constructor(private readonly options: NumberModelOptions) {}

  setScale(kind: number, exponent: number): void {
    const from = this.exponent;
    this.kind = kind;
    this.exponent = exponent;
    this.last = rescale(this.last, from, exponent);
    this.secondLast = rescale(this.secondLast, from, exponent);
    this.mean = rescale(this.mean, from, exponent);
    this.tens = 0;
  }

  /** `value` fits the scale. Throws `malformed` for what no encoder writes. */
  code(value: number, row: Row): number {
    const { last } = this;
    const { coder, successors, id } = this.options;
    this.guess(row);
    const guess = GUESSES[this.best] as number;
    const prediction = Math.abs(guess) <= MAX_SCALED ? guess : last;
    const miss = coder.decoding ? 0 : toScaled(value, this.exponent) - prediction;
    let scaled = prediction;
    if (this.calm < CALM || !this.staysCalm(miss)) {
      scaled += this.codeMiss(miss, Math.min(this.best, OWN_PREDICTIONS), row);
      if (!(Math.abs(scaled) <= MAX_SCALED)) throw malformed("a coded number is beyond 2^52");
      this.calm = scaled === prediction ? this.calm + 1 : 0;
      this.judge(scaled, row);
      if (scaled !== last) successors.set(id, last, scaled);
    }
    this.secondLast = last;
    this.last = scaled;
    this.mean += (scaled - this.mean) * MEAN_RATE;
    this.valueBefore = this.value;
    this.value = fromScaled(scaled, this.exponent, this.kind);
    row.numbers.push(this);
    const coded = this.value;
    if (this.options.coarsens === true && scaled !== 0) this.coarsen(scaled);
    return coded;
  }

  /** Of a series that has come as predicted for a while: whether it does again, by a single bit. */
  private staysCalm(miss: number): boolean {
    const { coder, id, sharedId } = this.options;
    const age = 1 + Math.min(this.calm - CALM, 13);
    const stays = coder.bitOr(miss === 0 ? 1 : 0, age, id + STILL, 0, sharedId + STILL, 0) === 1;
    if (stays) this.calm++;
    return stays;
  }

  /** By every prediction, into `GUESSES`. */
  private guess(row: Row): void {
    const { last, exponent } = this;
    const { numbers } = row;
    GUESSES[LAST] = last;
    GUESSES[LINEAR] = 2 * last - this.secondLast;
    GUESSES[MEAN] = Math.round(this.mean);
    GUESSES[ZERO] = 0;
    GUESSES[SUCCESSOR] = this.options.successors.get(this.options.id, last);
    let at = OWN_PREDICTIONS;
    for (let i = numbers.length - 1; i >= 0 && at < PREDICTIONS; i--) {
      const other = numbers[i] as NumberModel;
      const now = toScaled(other.value, exponent);
      GUESSES[at++] = now;
      GUESSES[at++] = last + now - toScaled(other.valueBefore, exponent);
    }
    // Neighbours that this row lacks.
    while (at < PREDICTIONS) GUESSES[at++] = last;
  }

  /** What each prediction would have cost; the best is the next to be trusted. */
  private judge(scaled: number, row: Row): void {
    const { costs } = this;
    const count = OWN_PREDICTIONS + 2 * Math.min(NEIGHBOURS, row.numbers.length);
    for (let i = 0; i < count; i++) {
      const miss = Math.abs(scaled - (GUESSES[i] as number));
      const bits = miss === 0 ? 0 : 1 + bitLength(Math.min(miss, MAX_SCALED));
      costs[i] = (costs[i] as number) * DECAY + bits;
    }
    let least = (costs[LAST] as number) * MUST_BEAT - MUST_BEAT_BITS;
    this.best = LAST;
    for (let i = 1; i < count; i++) {
      const cost = costs[i] as number;
      if (cost >= least) continue;
      this.best = i;
      least = cost;
    }
  }

  private coarsen(scaled: number): void {
    if (scaled % 10 !== 0) this.tens = 0;
    else if (++this.tens >= TENS && this.exponent > MIN_EXPONENT && this.kind === DECIMAL)
      this.setScale(DECIMAL, this.exponent - 1);
  }

  private codeMiss(miss: number, guess: number, row: Row): number {
    const { coder, id, sharedId } = this.options;
    const { contexts, slots } = coder;
    const before = row.numbers[row.numbers.length - 1];
    const { bits: lastBits, meanBits, sign: lastSign } = this;
    const bits = coder.decoding ? 0 : bitLength(Math.abs(miss));
    slots[0] = contexts.slot(id + LENGTH, lastBits);
    slots[1] = contexts.slot(sharedId + LENGTH, lastBits);
    slots[2] = contexts.slot(id + LENGTH_TREND, (this.secondBits * 64 + lastBits) * 64 + meanBits);
    slots[3] = contexts.slot(id + LENGTH_ROW, before === undefined ? 0 : 1 + before.bits);
    slots[4] = contexts.slot(id + LENGTH_GUESS, guess * 64 + meanBits);
    let length = coder.treeIn(Math.min(bits, LONG), 4, 5, SET.length);
    if (length === LONG) length = this.codeLong(bits);
    let sign = 0;
    let size = 0;
    if (length > 0) {
      slots[0] = contexts.slot(id + SIGN, 0);
      slots[1] = contexts.slot(sharedId + SIGN, 0);
      slots[2] = contexts.slot(id + SIGN_TREND, this.secondSign * 64 + length);
      slots[3] = contexts.slot(id + SIGN_ROW, guess * 4 + (before?.sign ?? 3));
      sign = 1 + coder.bitIn(miss < 0 ? 1 : 0, 1 + lastSign, 4, SET.sign);
      size = this.codeSize(Math.abs(miss), length, sign);
    }
    this.secondSign = lastSign;
    this.sign = sign;
    this.secondBits = lastBits;
    this.meanBits = (meanBits * 3 + length) >> 2;
    this.bits = length;
    return sign === 2 ? -size : size;
  }

  private codeLong(bits: number): number {
    const { coder, id } = this.options;
    const { contexts } = coder;
    const over = Math.max(0, bits - LONG);
    const high = coder.tree(over >> 4, 2, contexts.slot(id + LENGTH_LONG, 0));
    return LONG + high * 16 + coder.tree(over & 15, 4, contexts.slot(id + LENGTH_LONG, 1 + high));
  }

  /** The bits below the highest of a number of `length` bits. */
  private codeSize(size: number, length: number, sign: number): number {
    if (length === 1) return 1;
    const { coder, id, sharedId } = this.options;
    const width = Math.min(length - 1, LEAD_BITS);
    const left = length - 1 - width;
    const one = 1 << width;
    const lead = Math.floor(size / 2 ** left) & (one - 1);
    const coded = coder.treeOr(lead, width, id + LEAD, length, sharedId + LEAD, length, 8 * (sign - 1));
    return (one | coded) * 2 ** left + coder.raw(coder.decoding ? 0 : size % 2 ** left, left);
  }
}

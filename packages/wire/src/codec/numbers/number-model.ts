import { malformed } from "../../msgpack/msgpack.js";
import { POWERS_OF_TWO, type BitCoder } from "../coder/bit-coder.js";
import { SET } from "../coder/mixer-sets.js";
import type { Row } from "./row.js";
import { bitLength, DECIMAL, fromScaled, MAX_SCALED, MIN_EXPONENT, rescale, toScaled } from "./scaled.js";
import type { Successors } from "./successors.js";
import type { Trends } from "./trends.js";

/** Predictions of the next number. Each is right for other series. */
const LAST = 0;
const LINEAR = 1;
const MEAN = 2;
const ZERO = 3;
const SUCCESSOR = 4;
const OWN_PREDICTIONS = 5;
/** The two numbers before this one in its row predict it too: each by its value and by its step. */
const NEIGHBOURS = 2;
const PREDICTIONS = OWN_PREDICTIONS + 2 * NEIGHBOURS;

/** Cost of one bit of a miss. */
const COST_OF_BIT = 64;
/** Each number lowers the costs so far by 5/256, so that old misses count less. */
const DECAY = 5;
/**
 * Another prediction must be cheaper than the last value by a 32nd and by two bits. Otherwise the two would alternate.
 */
const MUST_BEAT = 5;
const MUST_BEAT_COST = 2 * COST_OF_BIT;
/** A number moves the mean by a 16th of the difference. */
const MEAN_PARTS = 16;
/** Largest number that counts for the mean: 16 times as much is exact. */
const MAX_MEAN = 2 ** 48;
/** Multiples of ten in a row after which the scale becomes coarser. */
const TENS = 24;

/** Predictions of the number that is being judged. */
const GUESSES = new Float64Array(PREDICTIONS);

/** Right predictions in a row after which a series is calm. */
const CALM = 8;
/** Further right predictions that contexts distinguish. */
const CALMEST = 13;
/** Bits of a length, of an exponent, and of a number of multiples of ten, in a trend. */
const LENGTHS = 63;
const EXPONENTS = 31;
const TENS_MASK = 31;
/** Where the costs begin in a trend: behind the misses and the scale. */
const COSTS = 2;

/** Lengths from here on take a second symbol, in the same slots. Lengths from twice as much on take a third. */
const SHORT = 7;
const SHORT_BITS = 3;
/** Added to the places of the second symbol. */
const MORE = 8;
/** Largest length of the difference of two scaled integers, in bits. */
const MAX_LENGTH = 54;
/** Bits below the highest that are adaptive; the rest is noise. */
const LEAD_BITS = 3;

/** Contexts of one model, from its `id` on. */
const LENGTH = 0;
const LENGTH_TREND = 1;
const LENGTH_ROW = 2;
const LENGTH_LONG = 3;
const SIGN = 4;
const SIGN_TREND = 5;
const SIGN_ROW = 6;
const LEAD = 7;
const STILL = 8;
export const NUMBER_CONTEXTS = 9;

export interface NumberModelOptions {
  readonly coder: BitCoder;
  readonly successors: Successors;
  /** First of its contexts. */
  readonly id: number;
  /** First of the contexts that all models of its kind share. They are used while its own contexts are new. */
  readonly sharedId: number;
  /** The scale may become coarser by itself. The caller checks that numbers fit it. */
  readonly coarsens?: boolean;
  /** Trends of the keys of a map. Undefined: the rows are no map. */
  readonly trends?: Trends | undefined;
  /** The model does not join the row: its numbers only stand for values, and predict nothing of their neighbours. */
  readonly isApart?: boolean;
}

/**
 * Codes a series of scaled integers. It predicts each integer, and codes by how much the prediction missed. All state
 * is integers.
 */
export class NumberModel {
  exponent = 0;
  kind = DECIMAL;
  /** The last number and the one before, in this scale. */
  last = 0;
  secondLast = 0;
  /** 16 times the running mean. */
  private mean = 0;
  private tens = 0;
  /** The prediction in use: the cheapest one, with a preference for LAST. */
  private best = LAST;
  /** Right predictions in a row. */
  private calm = 0;
  /** Cost of each prediction: the bits of its misses, of which the newest weigh most. */
  private readonly costs = new Int32Array(PREDICTIONS);
  // State of the last misses: bits, their running mean, and signs (0: none, 1: up, 2: down).
  private bits = 0;
  private secondBits = 0;
  private meanBits = 0;
  private sign = 0;
  private secondSign = 0;
  private readonly coder: BitCoder;
  private readonly successors: Successors;
  private readonly id: number;
  private readonly sharedId: number;
  private readonly coarsens: boolean;
  private readonly isApart: boolean;
  private readonly trends: Trends | undefined;

  constructor(options: NumberModelOptions) {
    const { coder, successors, id, sharedId, coarsens = false, isApart = false, trends } = options;
    this.coder = coder;
    this.successors = successors;
    this.id = id;
    this.sharedId = sharedId;
    this.coarsens = coarsens;
    this.isApart = isApart;
    this.trends = trends;
  }

  setScale(kind: number, exponent: number): void {
    const from = this.exponent;
    this.kind = kind;
    this.exponent = exponent;
    this.last = rescale(this.last, from, exponent);
    this.secondLast = rescale(this.secondLast, from, exponent);
    this.mean = rescale(this.mean, from, exponent);
    this.tens = 0;
  }

  /**
   * Sets the state as if `value` had come last, and `before` before it. Both may be any numbers. The rest of the state
   * stays, or is that of the present key of a map, if its trend is known.
   */
  recall(value: number, before: number): void {
    if (this.trends !== undefined) this.resume(this.trends);
    // `+ 0` makes 0 of -0, which no prediction may be.
    const last = toScaled(value, this.exponent) + 0;
    if (!(Math.abs(last) <= MAX_SCALED)) return;
    const secondLast = toScaled(before, this.exponent) + 0;
    this.last = last;
    this.secondLast = Math.abs(secondLast) <= MAX_SCALED ? secondLast : last;
  }

  /** Continues with the trend of the present key, if it is known. */
  private resume(trends: Trends): void {
    const start = trends.find(this.id);
    if (start < 0) return;
    const { costs } = this;
    const { list } = trends;
    const misses = list[start] as number;
    this.bits = misses & LENGTHS;
    this.secondBits = (misses >> 6) & LENGTHS;
    this.meanBits = (misses >> 12) & LENGTHS;
    this.sign = (misses >> 18) & 3;
    this.secondSign = (misses >> 20) & 3;
    this.calm = misses >> 22;
    const scale = list[start + 1] as number;
    this.setScale(scale & 3, ((scale >> 2) & EXPONENTS) + MIN_EXPONENT);
    this.tens = (scale >> 7) & TENS_MASK;
    this.best = scale >> 12;
    for (let i = 0; i < PREDICTIONS; i++) costs[i] = list[start + COSTS + i] as number;
  }

  /** Keeps the trend for the present key. */
  private leave(trends: Trends): void {
    const { bits, secondBits, meanBits, sign, secondSign, costs } = this;
    const calm = Math.min(this.calm, CALM + CALMEST);
    const misses =
      bits | (secondBits << 6) | (meanBits << 12) | (sign << 18) | (secondSign << 20) | (calm << 22);
    const start = trends.take(this.id);
    const { list } = trends;
    list[start] = misses;
    list[start + 1] =
      this.kind | ((this.exponent - MIN_EXPONENT) << 2) | (this.tens << 7) | (this.best << 12);
    for (let i = 0; i < PREDICTIONS; i++) list[start + COSTS + i] = costs[i] as number;
  }

  /** Codes a number that fits the scale, and returns it. Throws `malformed` for bits that no encoder writes. */
  code(value: number, row: Row): number {
    const { last, coder } = this;
    const prediction = this.predict(row);
    const miss = coder.decoding ? 0 : toScaled(value, this.exponent) - prediction;
    // A prediction of -0 counts as 0.
    let scaled = prediction + 0;
    if (this.calm < CALM || !this.staysCalm(miss)) {
      scaled += this.codeMiss(miss, row);
      if (!(Math.abs(scaled) <= MAX_SCALED)) throw malformed("a coded number is beyond 2^52");
      this.calm = scaled === prediction ? this.calm + 1 : 0;
      this.judge(scaled, row);
    }
    this.secondLast = last;
    this.last = scaled;
    this.mean += Math.max(-MAX_MEAN, Math.min(MAX_MEAN, scaled)) - Math.floor(this.mean / MEAN_PARTS);
    if (!this.isApart) {
      row.secondNewest = row.newest;
      row.newest = this;
    }
    const coded = fromScaled(scaled, this.exponent, this.kind);
    if (this.coarsens && scaled !== 0) this.coarsen(scaled);
    if (this.trends !== undefined) this.leave(this.trends);
    return coded;
  }

  /** Codes by a single bit whether a calm series comes as predicted once more. */
  private staysCalm(miss: number): boolean {
    const { coder, id, sharedId } = this;
    const age = 1 + Math.min(this.calm - CALM, CALMEST);
    const stays = coder.bitOr(miss === 0 ? 1 : 0, age, id + STILL, 0, sharedId + STILL, 0) === 1;
    if (stays) this.calm++;
    return stays;
  }

  /** Returns the number that the best prediction gives. */
  private predict(row: Row): number {
    const { best, last } = this;
    switch (best) {
      case LAST:
        return last;
      case LINEAR:
        return within(2 * last - this.secondLast, last);
      case MEAN:
        return this.roundedMean();
      case ZERO:
        return 0;
      case SUCCESSOR:
        return this.successors.get(this.id, last);
      default: {
        const number = best - OWN_PREDICTIONS;
        const other = number >> 1 === 0 ? row.newest : row.secondNewest;
        // The row lacks this neighbour.
        if (other === undefined) return last;
        const value = this.valueOf(other);
        return (number & 1) === 0 ? value : this.stepOf(other, value);
      }
    }
  }

  private roundedMean(): number {
    return Math.floor((this.mean + MEAN_PARTS / 2) / MEAN_PARTS);
  }

  /** Returns the last number of a neighbour, in this scale. */
  private valueOf(other: NumberModel): number {
    return rescale(other.last, other.exponent, this.exponent);
  }

  /** Returns the last number plus the neighbour's last step. `value`: the neighbour's last number, in this scale. */
  private stepOf(other: NumberModel, value: number): number {
    const { last } = this;
    return within(last + value - rescale(other.secondLast, other.exponent, this.exponent), last);
  }

  /** Adds to each prediction what it would have cost, and chooses the next one. */
  private judge(scaled: number, row: Row): void {
    const { costs, last } = this;
    GUESSES[LINEAR] = within(2 * last - this.secondLast, last);
    GUESSES[MEAN] = this.roundedMean();
    GUESSES[ZERO] = 0;
    GUESSES[SUCCESSOR] = this.successors.replace(this.id, last, scaled);
    let count = OWN_PREDICTIONS;
    // The costs of neighbours that the row lacks stay as they are.
    for (let i = 0; i < NEIGHBOURS; i++) {
      const other = i === 0 ? row.newest : row.secondNewest;
      if (other === undefined) break;
      const value = this.valueOf(other);
      GUESSES[count++] = value;
      GUESSES[count++] = this.stepOf(other, value);
    }
    const cost = charge(costs, LAST, scaled - last);
    let least = cost - (cost >> MUST_BEAT) - MUST_BEAT_COST;
    let best = LAST;
    for (let i = LINEAR; i < count; i++) {
      const other = charge(costs, i, scaled - (GUESSES[i] as number));
      if (other >= least) continue;
      best = i;
      least = other;
    }
    this.best = best;
  }

  private coarsen(scaled: number): void {
    // Quicker than a remainder of a number that may have more than 32 bits. No product is beyond 2^53.
    if (Math.round(scaled / 10) * 10 !== scaled) this.tens = 0;
    else if (++this.tens >= TENS && this.exponent > MIN_EXPONENT && this.kind === DECIMAL)
      this.setScale(DECIMAL, this.exponent - 1);
  }

  private codeMiss(miss: number, row: Row): number {
    const { coder, id, sharedId, meanBits, best } = this;
    const { contexts, slots } = coder;
    const { bits: lastBits, sign: lastSign } = this;
    const before = row.newest;
    const guess = best < OWN_PREDICTIONS ? best : OWN_PREDICTIONS;
    slots[0] = contexts.slot(sharedId + LENGTH, lastBits);
    slots[1] = contexts.slot(id + LENGTH_TREND, (this.secondBits * 64 + lastBits) * 64 + meanBits);
    slots[2] = contexts.slot(id + LENGTH_ROW, before === undefined ? 0 : 1 + before.bits);
    const length = this.codeLength(coder.decoding ? 0 : bitLength(Math.abs(miss)));
    let sign = 0;
    let size = 0;
    if (length > 0) {
      const down = miss < 0 ? 1 : 0;
      const trend = this.secondSign * 64 + length;
      const ofRow = guess * 4 + (before === undefined ? 3 : before.sign);
      const own = id + SIGN;
      const byTrend = id + SIGN_TREND;
      const byRow = id + SIGN_ROW;
      sign = 1 + coder.bitIn(down, 1 + lastSign, SET.sign, own, 0, byTrend, trend, byRow, ofRow);
      size = this.codeSize(Math.abs(miss), length, sign);
    }
    this.secondSign = lastSign;
    this.sign = sign;
    this.secondBits = lastBits;
    this.meanBits = (meanBits * 3 + length) >> 2;
    this.bits = length;
    return sign === 2 ? -size : size;
  }

  /** Codes the length of a miss, by the slots that the caller has set. */
  private codeLength(bits: number): number {
    const { coder, id } = this;
    let length = coder.treeIn(bits < SHORT ? bits : SHORT, SHORT_BITS, SET.length);
    if (length < SHORT) return length;
    length += coder.treeIn(Math.min(bits - SHORT, SHORT), SHORT_BITS, SET.moreLength, MORE);
    if (length < 2 * SHORT) return length;
    const over = coder.decoding ? 0 : bits - 2 * SHORT;
    const { contexts } = coder;
    const high = coder.tree(over >> 4, 2, contexts.slot(id + LENGTH_LONG, 0));
    length += high * 16 + coder.tree(over & 15, 4, contexts.slot(id + LENGTH_LONG, 1 + high));
    if (length > MAX_LENGTH) throw malformed("a coded number is beyond 2^52");
    return length;
  }

  /** Codes the bits below the highest of a number of `length` bits, and returns the number. */
  private codeSize(size: number, length: number, sign: number): number {
    if (length === 1) return 1;
    const { coder, id, sharedId } = this;
    const width = length <= LEAD_BITS ? length - 1 : LEAD_BITS;
    const left = length - 1 - width;
    const one = 1 << width;
    const unit = POWERS_OF_TWO[left] as number;
    const head = left === 0 ? size : Math.floor(size / unit);
    const lead =
      one | coder.treeOr(head & (one - 1), width, id + LEAD, length, sharedId + LEAD, length, 8 * (sign - 1));
    return left === 0 ? lead : lead * unit + coder.raw(coder.decoding ? 0 : size - head * unit, left);
  }
}

/** Returns a prediction, or the last value if the prediction is beyond ±2^52. */
function within(prediction: number, last: number): number {
  return prediction <= MAX_SCALED && prediction >= -MAX_SCALED ? prediction : last;
}

/** Adds a miss to the cost of a prediction, and returns the sum. */
function charge(costs: Int32Array, prediction: number, miss: number): number {
  const cost = costs[prediction] as number;
  const bits = miss === 0 ? 0 : 1 + bitLength(Math.abs(miss));
  const charged = cost - ((cost * DECAY) >> 8) + bits * COST_OF_BIT;
  costs[prediction] = charged;
  return charged;
}

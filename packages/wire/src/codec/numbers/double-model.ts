import { malformed } from "../../msgpack/msgpack.js";
import type { BitCoder } from "../coder/bit-coder.js";
import { NUMBER_CONTEXTS, NumberModel, type NumberModelOptions } from "./number-model.js";
import type { Row } from "./row.js";
import { DECIMAL, fromScaled, MAX_SCALED, toScaled } from "./scaled.js";
import { codeWhole } from "../coder/whole-number.js";

/** Contexts of one model, from its `id` on. */
const NEAR = 0;
const EXPONENT = 1;
const ULPS = 2;
const SIGN = 3;
const LENGTH = 4;
const DECIMALS = 5;
export const DOUBLE_CONTEXTS = DECIMALS + NUMBER_CONTEXTS;

/**
 * Most units in the last place by which a double may miss a decimal and still be coded as near it. Sums of decimals
 * miss by some units.
 */
const MAX_ULPS = 64;
const MAX_NEAR_EXPONENT = 7;

const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);
/** Index of the half with the sign, which depends on the machine. */
const HIGH = (() => {
  double[0] = -1;
  return halves[0] === 0 ? 1 : 0;
})();
const LOW = 1 - HIGH;
/** High half of the only NaN. JavaScript does not say which bits a machine has for NaN. */
const NAN_HIGH = 0x7ff80000;

/** Codes numbers that no scale holds: close to a decimal, or any others. */
export class DoubleModel {
  private readonly coder: BitCoder;
  private readonly id: number;
  private readonly decimals: NumberModel;
  private wasNear = 0;
  private ulps = 0;
  private bits = 0;
  // The last double, as an unsigned integer of 64 bits in the order of the numbers.
  private high = 0;
  private low = 0;

  constructor(options: NumberModelOptions) {
    this.coder = options.coder;
    this.id = options.id;
    this.decimals = new NumberModel({
      ...options,
      id: options.id + DECIMALS,
      sharedId: options.sharedId + DECIMALS,
      // A decimal near a value must not predict the neighbours in the row: only values do.
      isApart: true,
    });
    this.decimals.setScale(DECIMAL, 1);
  }

  /** Sets the state as if `value` had come last. */
  recall(value: number): void {
    readBits(value);
    const turn = (halves[HIGH] as number) < 0 ? 0xffffffff : 0;
    this.high = ((halves[HIGH] as number) ^ (turn | 0x80000000)) >>> 0;
    this.low = ((halves[LOW] as number) ^ turn) >>> 0;
    this.decimals.recall(value, value);
  }

  code(value: number, row: Row): number {
    const { coder, id } = this;
    const exponent = coder.decoding ? 0 : this.findNear(value);
    this.wasNear = coder.bit(exponent > 0 ? 1 : 0, coder.contexts.slot(id + NEAR, 0) + 1 + this.wasNear);
    return this.wasNear === 1 ? this.codeNear(value, exponent, row) : this.codeBits(value);
  }

  /** Returns the exponent of a decimal close to `value`; 0 if there is none. */
  private findNear(value: number): number {
    if (isNear(value, this.decimals.exponent)) return this.decimals.exponent;
    for (let exponent = 1; exponent <= MAX_NEAR_EXPONENT; exponent++)
      if (isNear(value, exponent)) return exponent;
    return 0;
  }

  private codeNear(value: number, exponent: number, row: Row): number {
    const { coder, id, decimals } = this;
    const slot = coder.contexts.slot(id + EXPONENT, 0);
    const coded = coder.tree(exponent, 3, slot);
    if (coded !== decimals.exponent) decimals.setScale(DECIMAL, coded);
    const decimal = decimals.code(coder.decoding ? 0 : nearest(value, coded), row);
    const ulp = ulpOf(decimal);
    const step = coder.decoding ? 0 : (value - decimal) / ulp - this.ulps;
    const zigzag = codeWhole(
      coder,
      step >= 0 ? 2 * step : -2 * step - 1,
      id + ULPS,
      Math.min(15, Math.abs(this.ulps)),
    );
    this.ulps += zigzag % 2 === 1 ? -(zigzag + 1) / 2 : zigzag / 2;
    if (Math.abs(this.ulps) > MAX_ULPS) throw malformed(`a coded double is over ${MAX_ULPS} units off`);
    return decimal + this.ulps * ulp;
  }

  private codeBits(value: number): number {
    const { coder, id } = this;
    const { contexts } = coder;
    readBits(value);
    // Below zero all bits are inverted, else the sign alone. So the integers have the order of the numbers.
    const turn = (halves[HIGH] as number) < 0 ? 0xffffffff : 0;
    let high = ((halves[HIGH] as number) ^ (turn | 0x80000000)) >>> 0;
    let low = ((halves[LOW] as number) ^ turn) >>> 0;
    let [stepHigh, stepLow] = minus(high, low, this.high, this.low);
    const down = coder.bit(stepHigh >>> 31, contexts.slot(id + SIGN, 0) + 1);
    if (down === 1) [stepHigh, stepLow] = minus(0, 0, stepHigh, stepLow);
    // A step of 2^63 would have the length 64, which has no code. Its code is a step down of length 0.
    const farthest = stepHigh === 0x80000000;
    const bits = stepHigh > 0 ? 64 - Math.clz32(stepHigh) : 32 - Math.clz32(stepLow);
    const length = this.codeLength(farthest ? 0 : bits);
    if (length > 32) {
      const top = 2 ** (length - 33);
      stepHigh = top + coder.raw(stepHigh % top, length - 33);
      stepLow = coder.raw(stepLow, 32);
    } else {
      const top = length === 0 ? 0 : 2 ** (length - 1);
      stepHigh = length === 0 && down === 1 ? 0x80000000 : 0;
      stepLow = length === 0 ? 0 : top + coder.raw(stepLow % top, length - 1);
    }
    if (down === 1) [stepHigh, stepLow] = minus(0, 0, stepHigh, stepLow);
    low = this.low + stepLow;
    high = (this.high + stepHigh + (low > 0xffffffff ? 1 : 0)) >>> 0;
    low >>>= 0;
    this.high = high;
    this.low = low;
    const turned = high >= 0x80000000 ? 0 : 0xffffffff;
    halves[HIGH] = high ^ (turned | 0x80000000);
    halves[LOW] = low ^ turned;
    return double[0] as number;
  }

  private codeLength(bits: number): number {
    const { coder, id } = this;
    const { contexts } = coder;
    const head = coder.tree(bits >> 4, 2, contexts.slot(id + LENGTH, this.bits >> 4));
    const rest = coder.tree(bits & 15, 4, contexts.slot(id + LENGTH, 8 + head));
    return (this.bits = (head << 4) | rest);
  }
}

/** Puts the bits of `value` into `halves`. */
function readBits(value: number): void {
  double[0] = value;
  if (value === value) return;
  halves[HIGH] = NAN_HIGH;
  halves[LOW] = 0;
}

/** Returns the high and the low half of the difference, modulo 2^64. */
function minus(high: number, low: number, otherHigh: number, otherLow: number): [number, number] {
  const difference = low - otherLow;
  return [(high - otherHigh - (difference < 0 ? 1 : 0)) >>> 0, difference >>> 0];
}

/** Returns one unit in the last place of a number; 0 for a number that is too small or not finite. */
function ulpOf(value: number): number {
  double[0] = value;
  const exponent = ((halves[HIGH] as number) >>> 20) & 0x7ff;
  if (exponent <= 53 || exponent === 0x7ff) return 0;
  halves[HIGH] = (exponent - 52) << 20;
  halves[LOW] = 0;
  return double[0];
}

function nearest(value: number, exponent: number): number {
  return fromScaled(toScaled(value, exponent), exponent, DECIMAL);
}

function isNear(value: number, exponent: number): boolean {
  if (!(Math.abs(toScaled(value, exponent)) < MAX_SCALED)) return false;
  const decimal = nearest(value, exponent);
  const ulp = ulpOf(decimal);
  const ulps = (value - decimal) / ulp;
  return Number.isInteger(ulps) && Math.abs(ulps) <= MAX_ULPS && decimal + ulps * ulp === value;
}

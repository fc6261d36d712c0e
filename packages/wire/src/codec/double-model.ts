import type { BitCoder } from "./bit-coder.js";
import { NumberModel, NUMBER_CONTEXTS, type Row } from "./number-model.js";
import { bitLength, MAX_SCALED, toScaled, fromScaled, DECIMAL } from "./scaled.js";

const NEAR = 0;
const MISS = 1;
const SIGN = 2;
const LENGTH = 3;
const SCALED = 8;
export const DOUBLE_CONTEXTS = SCALED + NUMBER_CONTEXTS;

/** A sum of decimals misses the decimal by some units in the last place: up to so many, it is coded by that. */
const MAX_ULPS = 64;

const float = new Float64Array(1);
const words = new Int32Array(float.buffer);
/** Where the half with the sign is; engines on big-endian machines have it first. */
const HIGH = (() => {
  float[0] = -1;
  return words[0] === 0 ? 1 : 0;
})();
const LOW = 1 - HIGH;

/** One unit in the last place of a normal number. */
function ulpOf(value: number): number {
  float[0] = value;
  const exponent = ((words[HIGH] as number) >>> 20) & 0x7ff;
  if (exponent <= 53 || exponent === 0x7ff) return 0;
  words[HIGH] = (exponent - 52) << 20;
  words[LOW] = 0;
  return float[0];
}

/** Doubles that no scale holds: a little beside a decimal, or by the difference of their bits. */
export class DoubleModel {
  private readonly decimals: NumberModel;
  private near = 0;
  private ulps = 0;
  private missBits = 0;
  private high = 0;
  private low = 0;
  private lastBits = 0;

  constructor(
    private readonly coder: BitCoder,
    private readonly id: number,
    parent: number,
  ) {
    this.decimals = new NumberModel(coder, id + SCALED, parent);
    this.decimals.setScale(DECIMAL, 1);
  }

  code(value: number, row: Row): number {
    const { coder, id } = this;
    const { contexts } = coder;
    const exponent = coder.decoding ? 0 : this.findNear(value);
    const near = coder.bit(exponent > 0 ? 1 : 0, contexts.slot(id + NEAR, 0) + 1 + this.near);
    this.near = 1 + near;
    return near === 1 ? this.codeNear(value, exponent, row) : this.codeBits(value);
  }

  /** The exponent of a decimal close by; 0 when there is none. */
  private findNear(value: number): number {
    if (isNear(value, this.decimals.exponent)) return this.decimals.exponent;
    for (let exponent = 1; exponent < 8; exponent++) if (isNear(value, exponent)) return exponent;
    return 0;
  }

  private codeNear(value: number, exponent: number, row: Row): number {
    const { coder, id, decimals } = this;
    const { contexts } = coder;
    const slot = contexts.slot(id + NEAR, 1) + 8;
    if (coder.bit(exponent === decimals.exponent ? 1 : 0, slot) === 0)
      decimals.setScale(DECIMAL, coder.tree(exponent, 3, slot - 8));
    const decimal = decimals.code(coder.decoding ? 0 : nearest(value, decimals.exponent), row);
    row.numbers.pop();
    const ulp = ulpOf(decimal);
    const miss = coder.decoding ? 0 : (value - decimal) / ulp - this.ulps;
    const zigzag = miss >= 0 ? 2 * miss : -2 * miss - 1;
    const bits = coder.tree(bitLength(zigzag), 4, contexts.slot(id + MISS, this.missBits));
    this.missBits = bits;
    let coded = 0;
    if (bits > 0) {
      const leads = contexts.slot(id + MISS, 16 + bits);
      let left = bits - 1;
      coded = 1;
      for (let exact = Math.min(left, 3); exact > 0; exact--) {
        left--;
        coded = (coded << 1) | coder.bit((zigzag >>> left) & 1, leads + coded);
      }
      coded = coded * (1 << left) + coder.raw(zigzag & ((1 << left) - 1), left);
    }
    this.ulps += coded % 2 === 1 ? -(coded + 1) / 2 : coded / 2;
    return decimal + this.ulps * ulp;
  }

  private codeBits(value: number): number {
    const { coder, id } = this;
    const { contexts } = coder;
    float[0] = value;
    // Ordered like the numbers themselves.
    const negative = (words[HIGH] as number) < 0;
    let high = (negative ? ~(words[HIGH] as number) : (words[HIGH] as number) ^ 0x80000000) >>> 0;
    let low = (negative ? ~(words[LOW] as number) : (words[LOW] as number)) >>> 0;
    let [missHigh, missLow] = minus(high, low, this.high, this.low);
    const down = coder.bit(missHigh >>> 31, contexts.slot(id + SIGN, 0) + 1);
    if (down === 1) [missHigh, missLow] = minus(0, 0, missHigh, missLow);
    const bits = coder.decoding ? 0 : missHigh > 0 ? 64 - Math.clz32(missHigh) : 32 - Math.clz32(missLow);
    const head = coder.tree(bits >> 4, 3, contexts.slot(id + LENGTH, this.lastBits >> 4));
    const length = (head << 4) | coder.tree(bits & 15, 4, contexts.slot(id + LENGTH, 8 + head));
    this.lastBits = length;
    if (length > 32) {
      missHigh = coder.raw(missHigh & (2 ** (length - 33) - 1), length - 33) + 2 ** (length - 33);
      missLow = coder.raw(missLow, 32);
    } else {
      missHigh = 0;
      missLow = length === 0 ? 0 : coder.raw(missLow % 2 ** (length - 1), length - 1) + 2 ** (length - 1);
    }
    if (down === 1) [missHigh, missLow] = minus(0, 0, missHigh, missLow);
    low = this.low + missLow;
    high = (this.high + missHigh + (low > 0xffffffff ? 1 : 0)) >>> 0;
    low >>>= 0;
    this.high = high;
    this.low = low;
    const positive = high >= 0x80000000;
    words[HIGH] = positive ? high ^ 0x80000000 : ~high;
    words[LOW] = positive ? low : ~low;
    return float[0];
  }
}

function minus(high: number, low: number, otherHigh: number, otherLow: number): [number, number] {
  const difference = low - otherLow;
  return [(high - otherHigh - (difference < 0 ? 1 : 0)) >>> 0, difference >>> 0];
}

function nearest(value: number, exponent: number): number {
  return fromScaled(toScaled(value, exponent), exponent, DECIMAL);
}

function isNear(value: number, exponent: number): boolean {
  const scaled = toScaled(value, exponent);
  if (!(Math.abs(scaled) < MAX_SCALED) || scaled === 0) return false;
  const decimal = fromScaled(scaled, exponent, DECIMAL);
  const ulp = ulpOf(decimal);
  const ulps = (value - decimal) / ulp;
  return ulp > 0 && Number.isInteger(ulps) && Math.abs(ulps) <= MAX_ULPS && decimal + ulps * ulp === value;
}

/** Most contexts that speak for one bit. */
export const MAX_INPUTS = 8;
/** Of those in `mixer-sets.ts` four each, by how much the first context has seen. */
const MAX_SETS = 64;

/** Steps of the logistic scale to one unit, and on either side of even. */
const STEPS = 170;
const SIDE = 2_048;
/** e^(1/170). Multiplied up, since `Math.exp` differs in its last bits from one engine to the next. */
const FACTOR = 1.00589970429;
/** Chances stay so far from certainty, in 65,536ths. */
const MARGIN = 20;
const ONE = 65_536;
/** Digits of a chance that are looked at: 12 bits of 16. */
const COARSE = 4;

/** Chance at each step of the logistic scale, and the place of each (coarse) chance on it. */
const SQUASHED = new Uint16Array(2 * SIDE);
const STRETCHED = new Float64Array(ONE >> COARSE);

let odds = 1;
for (let step = 0; step < SIDE; step++, odds *= FACTOR) {
  const chance = Math.max(MARGIN, Math.round(ONE / (1 + odds)));
  SQUASHED[SIDE - step] = chance;
  SQUASHED[SIDE + step] = ONE - chance;
}
SQUASHED[0] = MARGIN;
for (let coarse = 0, step = 0; coarse < STRETCHED.length; coarse++) {
  const chance = (coarse << COARSE) + (1 << (COARSE - 1));
  while (step < 2 * SIDE - 1 && (SQUASHED[step] as number) < chance) step++;
  STRETCHED[coarse] = (step - SIDE) / STEPS;
}

export interface MixerRates {
  readonly firstWeight: number;
  /** How far a weight moves at most. */
  readonly rate: number;
}

/** Weighs what several contexts say of a bit by how well each has done (logistic mixing, as in M. Mahoney's PAQ). */
export class Mixer {
  private readonly rate: number;
  private readonly weights: Float64Array;
  private readonly stretched = new Float64Array(MAX_INPUTS);
  private set = 0;
  private chance = 0;

  constructor({ firstWeight, rate }: MixerRates = { firstWeight: 0.3, rate: 0.02 }) {
    this.rate = rate;
    this.weights = new Float64Array(MAX_SETS * MAX_INPUTS).fill(firstWeight);
  }

  get bytes(): number {
    return this.weights.byteLength;
  }

  /** Chance of a 1, in 65,536ths, by the contexts at `place` of the first `count` slots, and the weights of a set (below 64). */
  mix(chances: Uint16Array, slots: Int32Array, place: number, count: number, set: number): number {
    const { weights, stretched } = this;
    const from = (this.set = set * MAX_INPUTS);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const chance = chances[(slots[i] as number) + place] as number;
      const said = STRETCHED[chance >> COARSE] as number;
      stretched[i] = said;
      sum += said * (weights[from + i] as number);
    }
    const step = sum * STEPS + SIDE;
    return (this.chance = SQUASHED[step < 0 ? 0 : step < 2 * SIDE ? step | 0 : 2 * SIDE - 1] as number);
  }

  /** Told which bit it was that `mix` was asked of. */
  learn(bit: number, count: number): void {
    const { weights, stretched, set } = this;
    const step = (bit - this.chance / ONE) * this.rate;
    for (let i = 0; i < count; i++)
      weights[set + i] = (weights[set + i] as number) + step * (stretched[i] as number);
  }
}

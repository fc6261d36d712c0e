/** Most contexts that speak for one bit. */
export const MAX_INPUTS = 8;
/** Sets of weights; they are found by hash. */
const SETS = 1 << 10;

/** Steps of the logistic scale to one unit, and units on either side. */
const STEPS = 170;
const MIDDLE = 2_048;
/** e^(1 / 170). Multiplied up, since `Math.exp` differs in its last bits from one engine to the next. */
const FACTOR = 1.00589970429;

/** The chance (of 65,536) at each step of the logistic scale, and the place on the scale of each chance (of 4,096). */
const SQUASH = new Uint16Array(2 * MIDDLE);
const STRETCH = new Float64Array(4_096);

let odds = 1;
for (let step = 0; step < MIDDLE; step++) {
  const chance = Math.round(65_536 / (1 + odds));
  SQUASH[MIDDLE - step] = Math.max(20, chance);
  SQUASH[Math.min(MIDDLE + step, 2 * MIDDLE - 1)] = Math.min(65_516, 65_536 - chance);
  odds *= FACTOR;
}
SQUASH[0] = 20;
for (let chance = 0, step = 0; chance < 4_096; chance++) {
  while (step < 2 * MIDDLE - 1 && (SQUASH[step] as number) < chance * 16 + 8) step++;
  STRETCH[chance] = (step - MIDDLE) / STEPS;
}

const RATE = 0.02;

/** Weighs what several contexts say of a bit, by how well each has done (logistic mixing, M. Mahoney's PAQ). */
export class Mixer {
  private readonly weights: Float64Array;
  private readonly stretched = new Float64Array(MAX_INPUTS);
  private from = 0;
  private chance = 32_768;

  constructor(
    firstWeight = 0.3,
    private readonly rate = RATE,
  ) {
    this.weights = new Float64Array(SETS * MAX_INPUTS).fill(firstWeight);
  }

  get bytes(): number {
    return this.weights.length * 8;
  }

  /** Chance of a 1 (of 65,536), by the chances of `count` contexts. */
  mix(chances: Uint16Array, inputs: Int32Array, count: number, set: number): number {
    const { weights, stretched } = this;
    const from = (this.from = (set & (SETS - 1)) * MAX_INPUTS);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const place = STRETCH[(chances[inputs[i] as number] as number) >> 4] as number;
      stretched[i] = place;
      sum += place * (weights[from + i] as number);
    }
    const step = Math.floor(sum * STEPS) + MIDDLE;
    return (this.chance = SQUASH[step < 0 ? 0 : step > 4_095 ? 4_095 : step] as number);
  }

  learn(bit: number, count: number): void {
    const { weights, stretched, from } = this;
    const miss = (bit - this.chance / 65_536) * this.rate;
    for (let i = 0; i < count; i++) weights[from + i] = (weights[from + i] as number) + miss * (stretched[i] as number);
  }
}

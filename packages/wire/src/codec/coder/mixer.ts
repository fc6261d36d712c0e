/** Number of contexts that are mixed for one bit. */
export const INPUTS = 3;
/** Weights of a set; the fourth is not used. */
export const SET_SIZE = 4;
/** Most sets of weights. Each number in `mixer-sets.ts` has four, by how much the first context has seen. */
const MAX_SETS = 64;

/** Steps of the logistic scale on either side of even odds. 256 steps are a factor e of the odds. */
export const SIDE = 2_048;
/** One step multiplies the odds by 513 / 511, which is e^(1/256) to eight digits. */
const STEP_UP = 513;
const STEP_DOWN = 511;
/** Even odds, as an integer. */
const EVEN_ODDS = 2 ** 20;
/** Least distance of a chance from certainty, in 65,536ths. */
const MARGIN = 20;
const ONE = 65_536;
/** Bits of a chance that `STRETCHED` ignores: it uses the upper 12 of 16. */
export const COARSE = 4;

/** 0.36, in 65,536ths. */
const FIRST_WEIGHT = 23_593;
/** Largest weight, below 4, in 65,536ths. Three such weights times 2,047 steps stay within 32 bits. */
export const MAX_WEIGHT = 262_143;
/** Rate of learning. A full error at 256 steps moves a weight by 5 · 256 / 65,536, about 0.02. */
export const WEIGHT_RATE = 5;

/**
 * SQUASHED: chance at each step of the logistic scale. STRETCHED: step of each coarse chance, counted from even odds.
 */
export const SQUASHED = new Uint16Array(2 * SIDE);
export const STRETCHED = new Int16Array(ONE >> COARSE);

let odds = EVEN_ODDS;
for (let step = 0; step < SIDE; step++, odds = Math.floor((odds * STEP_UP) / STEP_DOWN)) {
  const chance = Math.max(MARGIN, Math.floor((ONE * EVEN_ODDS) / (EVEN_ODDS + odds)));
  SQUASHED[SIDE - step] = chance;
  SQUASHED[SIDE + step] = ONE - chance;
}
SQUASHED[0] = MARGIN;
for (let coarse = 0, step = 1; coarse < STRETCHED.length; coarse++) {
  const chance = (coarse << COARSE) + (1 << (COARSE - 1));
  while (step < 2 * SIDE - 1 && (SQUASHED[step] as number) < chance) step++;
  STRETCHED[coarse] = step - SIDE;
}

/**
 * Returns the initial weights of a codec's mixer, in 65,536ths. A set of weights says how much each of three contexts
 * counts (logistic mixing, as in M. Mahoney's lpaq). `BitCoder.mixed` uses the weights, in integers of 32 bits: every
 * language computes the same bits.
 */
export function createWeights(): Int32Array {
  return new Int32Array(MAX_SETS * SET_SIZE).fill(FIRST_WEIGHT);
}

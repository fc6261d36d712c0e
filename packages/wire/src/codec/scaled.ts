/** Powers of ten as the language reads them: `10 ** e` may differ in the last bit from one engine to the next. */
const POWERS = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** Scaled integers stay within ±2^52: their differences are exact. */
export const MAX_SCALED = 2 ** 52;
/** Of exponents: 1,000,000 is 1 at -6. */
export const MIN_EXPONENT = -6;
export const MAX_EXPONENT = 12;

/**
 * How a scaled integer becomes a number: `decimal` i / 10^e; `single` that as a float32, and `printed` such a float32 as
 * most programs print it, with six digits after the point.
 */
export const DECIMAL = 0;
export const SINGLE = 1;
export const PRINTED = 2;

export interface Scale {
  readonly kind: number;
  readonly exponent: number;
}

export function toScaled(value: number, exponent: number): number {
  return exponent >= 0
    ? Math.round(value * (POWERS[exponent] as number))
    : Math.round(value / (POWERS[-exponent] as number));
}

export function fromScaled(scaled: number, exponent: number, kind: number): number {
  const value = exponent >= 0 ? scaled / (POWERS[exponent] as number) : scaled * (POWERS[-exponent] as number);
  if (kind === DECIMAL) return value;
  const single = Math.fround(value);
  return kind === SINGLE ? single : Math.round(single * 1e6) / 1e6;
}

/** Whether `value` is exactly a scaled integer of that scale. -0 never is. */
export function fits(value: number, exponent: number, kind: number): boolean {
  const scaled = toScaled(value, exponent);
  return (
    scaled <= MAX_SCALED &&
    scaled >= -MAX_SCALED &&
    fromScaled(scaled, exponent, kind) === value &&
    (value !== 0 || Object.is(value, 0))
  );
}

/** The coarsest scale in which `value` is exact, with few digits; undefined when there is none. */
export function findScale(value: number): Scale | undefined {
  if (!Number.isFinite(value) || Object.is(value, -0)) return undefined;
  for (let exponent = 0; exponent < 6; exponent++)
    if (fits(value, exponent, DECIMAL)) return { kind: DECIMAL, exponent };
  const size = Math.abs(value);
  for (const kind of [SINGLE, PRINTED])
    for (let exponent = 1; exponent < 6; exponent++)
      if (size * (POWERS[exponent] as number) <= 2 ** 31 && fits(value, exponent, kind)) return { kind, exponent };
  for (let exponent = 6; exponent <= MAX_EXPONENT; exponent++)
    if (size * (POWERS[exponent] as number) <= 2 ** 47 && fits(value, exponent, DECIMAL))
      return { kind: DECIMAL, exponent };
  return undefined;
}

/** `scaled` in another exponent, rounded; 0 when it would be too large. For predictions only. */
export function rescale(scaled: number, from: number, to: number): number {
  const moved = to > from ? scaled * (POWERS[to - from] as number) : Math.round(scaled / (POWERS[from - to] as number));
  return Math.abs(moved) <= MAX_SCALED ? moved : 0;
}

/** Bits of a whole number from 0 to 2^53: 0 for 0. */
export function bitLength(whole: number): number {
  return whole < 0x1_0000_0000 ? 32 - Math.clz32(whole) : 64 - Math.clz32(Math.floor(whole / 0x1_0000_0000));
}

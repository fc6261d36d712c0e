/** Powers of ten as JavaScript reads them. The last bit of `10 ** e` may differ between engines. */
const POWERS = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** Scaled integers stay within ±2^52: sums of two are exact. */
export const MAX_SCALED = 2 ** 52;
/** 1,000,000 is 1 at exponent -6. */
export const MIN_EXPONENT = -6;
export const MAX_EXPONENT = 12;

/** i / 10^exponent. */
export const DECIMAL = 0;
/** The same number as a float32. */
export const SINGLE = 1;
/** That float32 as programs print it, with six digits after the point. */
export const PRINTED = 2;

/** How scaled integers become numbers. */
export interface Scale {
  readonly kind: number;
  readonly exponent: number;
}

function power(exponent: number): number {
  return POWERS[exponent] as number;
}

export function toScaled(value: number, exponent: number): number {
  return Math.round(exponent >= 0 ? value * power(exponent) : value / power(-exponent));
}

export function fromScaled(scaled: number, exponent: number, kind: number): number {
  const value = exponent >= 0 ? scaled / power(exponent) : scaled * power(-exponent);
  if (kind === DECIMAL) return value;
  const single = Math.fround(value);
  return kind === SINGLE ? single : Math.round(single * 1e6) / 1e6;
}

/** Whether `value` is exactly a scaled integer of that scale; -0 never is. */
export function fits(value: number, exponent: number, kind: number): boolean {
  const scaled = toScaled(value, exponent);
  return Math.abs(scaled) <= MAX_SCALED && Object.is(fromScaled(scaled, exponent, kind) + 0, value);
}

/** The coarsest scale in which `value` is exact with few digits; undefined when there is none. */
export function findScale(value: number): Scale | undefined {
  if (!Number.isFinite(value)) return undefined;
  const size = Math.abs(value);
  const find = (kind: number, from: number, to: number, largest: number): Scale | undefined => {
    for (let exponent = from; exponent <= to && size * power(exponent) <= largest; exponent++)
      if (fits(value, exponent, kind)) return { kind, exponent };
    return undefined;
  };
  return (
    find(DECIMAL, 0, 5, MAX_SCALED) ??
    find(SINGLE, 1, 5, 2 ** 31) ??
    find(PRINTED, 1, 5, 2 ** 31) ??
    // With more digits than that a double rarely is a decimal: it only looks like one.
    find(DECIMAL, 6, MAX_EXPONENT, 2 ** 47)
  );
}

/** `scaled` at another exponent, rounded (halves up); 0 when that is too large. For predictions only. */
export function rescale(scaled: number, from: number, to: number): number {
  if (from === to) return scaled;
  // The quotient of such integers is rounded as the exact one would be; "+ 0" makes zero of negative zero.
  const moved = to > from ? scaled * power(to - from) : Math.round(scaled / power(from - to)) + 0;
  return Math.abs(moved) <= MAX_SCALED ? moved : 0;
}

/** Returns the bits of a whole number up to 2^53, which has 54. 0 has none. */
export function bitLength(whole: number): number {
  return whole < 0x1_0000_0000 ? 32 - Math.clz32(whole) : 64 - Math.clz32(Math.floor(whole / 0x1_0000_0000));
}

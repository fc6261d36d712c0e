import type { Value } from "@stanzapack/wire";

/** A JSON text's value, and the numbers in it that a double cannot hold. */
export interface ParsedJson {
  readonly value: Value;
  /** The first number that `value` has as a string: an integer that would change, or a number out of range. */
  readonly kept: string | undefined;
  /** The first fraction with more digits than a double has. `value` has the nearest double. */
  readonly rounded: string | undefined;
}

/** Sixteen digits or an exponent: a double holds all other numbers. Strings may match too. */
const MAY_CHANGE = /\d[\d.]{15}|\d[eE]/;
/** Tokens of valid JSON: strings, which stay unchanged, and numbers. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
/** Smallest positive double with full precision. */
const MIN_NORMAL = 2.2250738585072014e-308;

/**
 * Like `JSON.parse`, but reports numbers that change. A number that a double cannot hold becomes a string, as JSON
 * interfaces write 64-bit ids. Throws `SyntaxError`.
 */
export function parseJson(text: string): ParsedJson {
  const value = JSON.parse(text) as Value;
  if (!MAY_CHANGE.test(text)) return { value, kept: undefined, rounded: undefined };
  let kept: string | undefined;
  let rounded: string | undefined;
  const mended = text.replace(TOKENS, (token) => {
    if (token.startsWith('"')) return token;
    switch (fateOf(token)) {
      case "same":
        return token;
      case "rounded":
        rounded ??= token;
        return token;
      case "changed":
        kept ??= token;
        return `"${token}"`;
    }
  });
  return { value: kept === undefined ? value : (JSON.parse(mended) as Value), kept, rounded };
}

/** Whether a decimal number stays the same when it is read as a double and written again. */
export function fateOf(written: string): "same" | "rounded" | "changed" {
  const value = Number(written);
  const decimal = normalize(written);
  if (decimal.digits === "" || isEqual(decimal, normalize(String(value)))) return "same";
  if (!Number.isFinite(value) || Math.abs(value) < MIN_NORMAL || decimal.scale >= 0) return "changed";
  // Digits beyond the shortest form may be the double's exact digits, as `%.17g` and `%.30f` print them.
  const count = Math.min(decimal.digits.length, 100);
  return isEqual(decimal, normalize(value.toPrecision(count))) ? "same" : "rounded";
}

/** The number digits × 10^scale. `digits` has no zeros at either end. */
interface Decimal {
  readonly digits: string;
  readonly scale: number;
}

function normalize(written: string): Decimal {
  const [, whole = "", fraction = "", exponent = "0"] =
    /^[-+]?(\d*)\.?(\d*)(?:[eE]([-+]?\d+))?$/.exec(written) ?? [];
  const all = `${whole}${fraction}`;
  let [first, end] = [0, all.length];
  while (first < end && all[first] === "0") first++;
  while (end > first && all[end - 1] === "0") end--;
  return { digits: all.slice(first, end), scale: Number(exponent) - fraction.length + all.length - end };
}

function isEqual(a: Decimal, b: Decimal): boolean {
  return a.digits === b.digits && a.scale === b.scale;
}

/** A number for an error text, at most 40 characters: a number may have any length. */
export function shorten(number: string): string {
  return number.length > 40 ? `${number.slice(0, 40)}…` : number;
}

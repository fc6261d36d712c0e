import type { Value } from "@stanzapack/wire";

/** A JSON text's value, and which of its numbers a double cannot hold. */
export interface ParsedJson {
  readonly value: Value;
  /** The first number that is a string of its digits in `value`: an integer that would change, or one out of range. */
  readonly kept: string | undefined;
  /** The first fraction with more digits than a double has: `value` has the nearest double. */
  readonly rounded: string | undefined;
}

/** Sixteen digits or an exponent: all other numbers fit a double. Strings may match, too. */
const MAY_CHANGE = /\d[\d.]{15}|\d[eE]/;
/** Of valid JSON: strings, which stay, and numbers. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
/** Smallest double of full precision. */
const MIN_NORMAL = 2.2250738585072014e-308;

/**
 * As `JSON.parse`, but no number changes unnoticed: what a double cannot hold becomes a string, as JSON interfaces write 64-bit ids.
 * Throws `SyntaxError`.
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

/** What becomes of a decimal number that is read as a double and written again. */
export function fateOf(written: string): "same" | "rounded" | "changed" {
  const value = Number(written);
  const decimal = normalize(written);
  if (decimal.digits === "" || isEqual(decimal, normalize(String(value)))) return "same";
  if (!Number.isFinite(value) || Math.abs(value) < MIN_NORMAL || decimal.scale >= 0) return "changed";
  // Digits beyond the shortest ones may be the double's own, as `%.17g` and `%.30f` print them.
  const count = Math.min(decimal.digits.length, 100);
  return isEqual(decimal, normalize(value.toPrecision(count))) ? "same" : "rounded";
}

/** Value = digits × 10^scale, without zeros at either end. */
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

/** For a message: a number may have any length. */
export function shorten(number: string): string {
  return number.length > 40 ? `${number.slice(0, 40)}…` : number;
}

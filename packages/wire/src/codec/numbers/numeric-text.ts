import { MAX_SCALED } from "./scaled.js";

/** A decimal as in JSON, but with any number of digits after the point, up to 8: `21.50`. */
const PATTERN = /^-?(?:0|[1-9]\d{0,14})(?:\.(\d{1,8}))?$/;
const MAX_CHARS = 20;

export const MAX_DIGITS = 8;

export interface NumericText {
  /** The digits as an integer, without the point. */
  readonly count: number;
  /** Number of digits after the point. */
  readonly digits: number;
}

/** Returns undefined for a text that would not be written the same way again. */
export function parseNumeric(text: string): NumericText | undefined {
  if (text.length > MAX_CHARS) return undefined;
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  const digits = match[1]?.length ?? 0;
  const count = Number(text.replace(".", ""));
  if (Math.abs(count) > MAX_SCALED || formatNumeric({ count, digits }) !== text) return undefined;
  return { count, digits };
}

export function formatNumeric({ count, digits }: NumericText): string {
  const sign = count < 0 ? "-" : "";
  const text = String(Math.abs(count)).padStart(digits + 1, "0");
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

import { DEFAULT_LIMITS, encodeUpdate } from "@stanzapack/wire";
import { expect, it } from "vitest";
import { rememberValue, valueOf } from "./row-values.js";

it("gives the value of a row, remembered or read", () => {
  const value = { a: [1, null], b: "x" };
  const row = encodeUpdate(value, DEFAULT_LIMITS);
  expect(valueOf(row)).toEqual(value);
  rememberValue(row, value);
  expect(valueOf(row)).toBe(value);
  // A copy does not have the value: copies are kept for longer.
  expect(valueOf(row.slice())).not.toBe(value);
  const nothing = encodeUpdate(null, DEFAULT_LIMITS);
  rememberValue(nothing, null);
  expect(valueOf(nothing)).toBeNull();
});

import type { Value } from "@stanzapack/wire";
import { expect, it } from "vitest";
import { isSameValue } from "./same-value.js";

it.each<[Value, Value]>([
  [1, 1],
  [NaN, NaN],
  [null, null],
  [
    { a: 1, b: [1, { c: "x" }] },
    { b: [1, { c: "x" }], a: 1 },
  ],
  [Uint8Array.of(1, 2), Uint8Array.of(1, 2)],
  [[], []],
])("%j is %j", (a, b) => expect(isSameValue(a, b)).toBe(true));

it.each<[Value, Value]>([
  [1, 2],
  [0, -0],
  [1, "1"],
  [null, {}],
  [[], {}],
  [[1], [1, 2]],
  [[1, 2], Uint8Array.of(1, 2)],
  [Uint8Array.of(1, 2), Uint8Array.of(1, 3)],
  [{ a: 1 }, { b: 1 }],
  [{ a: 1 }, { a: 1, b: 2 }],
  [{ toString: 1 }, { a: 1 }],
])("%j is not %j", (a, b) => {
  expect(isSameValue(a, b)).toBe(false);
  expect(isSameValue(b, a)).toBe(false);
});

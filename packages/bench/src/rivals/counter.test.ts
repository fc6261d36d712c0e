import { expect, test } from "vitest";
import { explainByCounter } from "./counter.js";

test("the counter explains what it costs, in compressed streams alone", () => {
  const small = { excess: 3.44, compressed: true };
  expect(explainByCounter([small, { excess: 1, compressed: true }])[0]).toContain("at most 3.4 bytes");
  expect(explainByCounter([])).toEqual([]);
  expect(explainByCounter([small, { excess: 1, compressed: false }])).toEqual([]);
  expect(explainByCounter([small, { excess: 3.6, compressed: true }])).toEqual([]);
});

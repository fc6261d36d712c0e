import { expect, it } from "vitest";
import { CursorTrail } from "./cursor-trail.js";

it("reads a number of rows as the offset of the last of them", () => {
  const trail = new CursorTrail();
  expect(trail.took(5)).toBeUndefined();
  trail.sent(3, 12);
  trail.sent(2, 14);
  // A hole: 15 to 19 were lost.
  trail.sent(2, 21);
  const offsets = [0, 1, 3, 4, 4, 5, 6, 2, 7, 99].map((total) => trail.took(total));
  expect(offsets).toEqual([undefined, 10, 12, 13, undefined, 14, 20, undefined, 21, undefined]);
});

it("never counts a row as taken that is sent later", () => {
  const trail = new CursorTrail();
  trail.sent(2, 2);
  expect(trail.took(2)).toBe(2);
  trail.sent(2, 4);
  expect(trail.took(2)).toBeUndefined();
  expect(trail.took(3)).toBe(3);
});

it("remembers a bounded number of holes, and errs towards a repeat beyond them", () => {
  const trail = new CursorTrail();
  for (let i = 1; i <= 3_000; i++) trail.sent(1, i * 10);
  expect(trail.took(1_023)).toBe(10_230);
  // The rows behind them count only together.
  expect(trail.took(2_999)).toBeUndefined();
  expect(trail.took(3_000)).toBe(30_000);
});

it("takes rows of a map all together", () => {
  const trail = new CursorTrail();
  trail.sent(3, 50, true);
  trail.sent(0, 60, true);
  trail.sent(1, 61, true);
  expect([trail.took(2), trail.took(3), trail.isEmpty]).toEqual([undefined, 50, false]);
  expect([trail.took(4), trail.isEmpty]).toEqual([61, true]);
});

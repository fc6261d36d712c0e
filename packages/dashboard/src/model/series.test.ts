import { describe, expect, it } from "vitest";
import { scaleAround, scaleFromZero, Series } from "./series.js";

describe("series", () => {
  it("keeps the last points of all lines", () => {
    const series = new Series(2, 3);
    for (let i = 1; i <= 5; i++) series.add(i * 1_000, [i, i === 4 ? null : -i]);
    expect(series.times).toEqual([3, 4, 5]);
    expect(series.lines).toEqual([
      [3, 4, 5],
      [-3, null, -5],
    ]);
  });

  it("stays in order when a clock is set back", () => {
    const series = new Series(1, 10);
    for (const at of [1_000, 2_000, 3_000, 2_000]) series.add(at, [at]);
    expect([series.times, series.lines[0]]).toEqual([
      [1, 2],
      [1_000, 2_000],
    ]);
  });

  it("has scales that show every number", () => {
    expect(scaleAround(null, null)).toEqual([0, 1]);
    expect(scaleAround(5, 5)).toEqual([4.5, 5.5]);
    expect(scaleAround(-10, -10)).toEqual([-11, -9]);
    expect(scaleAround(0, 100)).toEqual([-8, 108]);
    expect(scaleFromZero(null, 0)).toEqual([0, 1]);
    expect(scaleFromZero(40, 100)[0]).toBe(0);
  });
});

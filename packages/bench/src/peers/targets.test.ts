import { describe, expect, it } from "vitest";
import { ratesOf } from "./return.js";

describe("the rates of opens", () => {
  it("counts the fullest second, and the most beyond a rate", () => {
    // Five opens at once, then one every 100 ms.
    const at = [0, 0, 0, 0, 0, ...Array.from({ length: 20 }, (_, i) => 100 * (i + 1))];
    expect(ratesOf(at, 10)).toEqual({ opens: 25, opensMaxPerSecond: 14, opensBeyondRate: 5 });
  });

  it("sees a burst in the middle", () => {
    const at = [0, 1_000, 2_000, 2_000, 2_000, 3_000];
    expect(ratesOf(at, 1)).toEqual({ opens: 6, opensMaxPerSecond: 3, opensBeyondRate: 3 });
  });

  it("is nothing without any", () => {
    expect(ratesOf([], 10)).toEqual({ opens: 0, opensMaxPerSecond: 0, opensBeyondRate: 0 });
  });
});

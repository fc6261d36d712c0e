import { describe, expect, it } from "vitest";
import { Pace } from "./pace.js";

describe("Pace", () => {
  it("tells nothing while updates leave as wanted, or are late by less than a window", () => {
    const pace = new Pace();
    expect(pace.left(1_000, 100, false, 100)).toBeUndefined();
    expect(pace.left(1_000, 60_000, false, 100)).toBeUndefined();
    expect(pace.left(1_100, 100, true, 100)).toBeUndefined();
    expect(pace.left(2_000, 700, true, 1_000)).toBeUndefined();
  });

  it("widens at once to the next rung, and narrows when the worst of ten seconds was less", () => {
    const pace = new Pace();
    const told: unknown[] = [];
    for (let now = 0; now <= 40_000; now += 600) {
      const late = now < 20_000;
      const window = pace.left(now, now < 10_000 ? 640 : late ? 340 : 100, late, 100);
      if (window !== undefined) told.push([now, window]);
    }
    expect(told).toEqual([
      [0, 1_000],
      [20_400, 500],
      [30_600, null],
    ]);
  });

  it("is looked at again after ten seconds, and is as wanted when nothing was late since", () => {
    const pace = new Pace();
    expect(pace.looksAt).toBeUndefined();
    pace.left(0, 300, true, 100);
    expect(pace.looksAt).toBe(10_000);
    expect(pace.left(9_999, 300, false, 100)).toBeUndefined();
    expect(pace.left(10_000, 300, false, 100)).toBeNull();
    expect(pace.looksAt).toBeUndefined();
  });

  it("begins anew with a link", () => {
    const pace = new Pace();
    expect(pace.left(0, 300, true, 100)).toBe(500);
    pace.forget();
    expect(pace.left(600, 100, false, 100)).toBeUndefined();
    expect(pace.left(900, 300, true, 100)).toBe(500);
  });

  it("counts as late what waited for room, from the first wait to the flush or the end of the link", () => {
    const pace = new Pace();
    expect(pace.flush(1_000, 0, 100)).toBeUndefined();
    pace.wait(1_050);
    pace.wait(1_500);
    // 100 ms until it was due, and 550 ms for room.
    expect(pace.flush(1_600, 900, 100)).toBe(1_000);
    expect(pace.flush(1_700, 1_600, 100)).toBeUndefined();
    pace.forget();
    pace.wait(2_000);
    pace.interrupt();
    expect(pace.flush(9_000, 1_700, 100)).toBeUndefined();
  });
});

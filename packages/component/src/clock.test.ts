import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TICK_MS, TickClock } from "./clock.js";

describe("TickClock", () => {
  beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
  afterEach(() => void vi.useRealTimers());

  it("gathers what falls on one tick, and holds no timer when idle", () => {
    const ticks: [readonly string[], number][] = [];
    const clock = new TickClock<string>((due, now) => ticks.push([due, now]));
    expect(clock.add("a", 1_000_001)).toBe(1_000_025);
    clock.add("b", 1_000_025);
    clock.add("c", 1_000_026);
    vi.advanceTimersByTime(TICK_MS);
    expect(ticks).toEqual([[["a", "b"], 1_000_025]]);
    vi.advanceTimersByTime(TICK_MS);
    expect(ticks[1]).toEqual([["c"], 1_000_050]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("wakes for an earlier booking, and not for one taken back", () => {
    const due: string[] = [];
    const clock = new TickClock<string>((items) => due.push(...items));
    const late = clock.add("late", 1_001_000);
    clock.add("early", 1_000_100);
    vi.advanceTimersByTime(100);
    expect(due).toEqual(["early"]);
    clock.remove("late", late);
    vi.advanceTimersByTime(1_000);
    expect(due).toEqual(["early"]);
  });

  it("takes bookings from within a tick", () => {
    let count = 0;
    const clock = new TickClock<string>((_, now) => {
      if (++count < 4) clock.add("again", now + 1);
    });
    clock.add("first", 1_000_000);
    vi.advanceTimersByTime(200);
    expect(count).toBe(4);
    clock.add("x", 2_000_000);
    clock.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

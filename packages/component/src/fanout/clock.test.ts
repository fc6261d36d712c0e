import { monotonicNow } from "@stanzapack/xmpp";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TICK_MS, TickClock } from "./clock.js";

const HOUR_MS = 3_600_000;

describe("TickClock", () => {
  let start = 0;
  beforeEach(() => {
    vi.useFakeTimers();
    vi.advanceTimersByTime(TICK_MS - (monotonicNow() % TICK_MS));
    start = monotonicNow();
  });
  afterEach(() => void vi.useRealTimers());

  it("gathers what falls on one tick, and holds no timer when idle", () => {
    const ticks: [readonly string[], number][] = [];
    const clock = new TickClock<string>((due, now) => ticks.push([due, now]));
    expect(clock.add("a", start + 1)).toBe(start + 25);
    clock.add("b", start + 25);
    clock.add("c", start + 26);
    vi.advanceTimersByTime(TICK_MS);
    expect(ticks).toEqual([[["a", "b"], start + 25]]);
    vi.advanceTimersByTime(TICK_MS);
    expect(ticks[1]).toEqual([["c"], start + 50]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("wakes for an earlier booking, and not for one taken back", () => {
    const due: string[] = [];
    const clock = new TickClock<string>((items) => due.push(...items));
    const late = clock.add("late", start + 1_000);
    clock.add("early", start + 100);
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
    clock.add("first", start);
    vi.advanceTimersByTime(200);
    expect(count).toBe(4);
    clock.add("x", start + 1e6);
    clock.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ticks on while somebody sets the wall clock, back and forth", () => {
    const ticks: number[] = [];
    const clock = new TickClock<string>((_, now) => {
      ticks.push(now);
      clock.add("again", now + 1);
    });
    clock.add("first", start + 1);
    for (const stepMs of [-HOUR_MS, HOUR_MS, 24 * HOUR_MS, -48 * HOUR_MS, 24 * HOUR_MS]) {
      vi.setSystemTime(Date.now() + stepMs);
      vi.advanceTimersByTime(4 * TICK_MS);
    }
    expect(ticks).toEqual(Array.from({ length: 20 }, (_, i) => start + (i + 1) * TICK_MS));
  });

  it("takes more items on one tick than one call can have arguments", () => {
    let count = 0;
    const clock = new TickClock<number>((due) => (count = due.length));
    for (let i = 0; i < 150_000; i++) clock.add(i, start + 1);
    vi.advanceTimersByTime(TICK_MS);
    expect(count).toBe(150_000);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FlushTimer } from "./flush-timer.js";

describe("FlushTimer", () => {
  beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
  afterEach(() => void vi.useRealTimers());

  it("fires once for all that is due, the earlier booking holding", () => {
    const fired: string[][] = [];
    const timer = new FlushTimer<string>((items) => fired.push([...items]));
    timer.book("a", 1_000_100);
    timer.book("b", 1_000_100);
    timer.book("b", 1_000_900);
    timer.book("c", 1_000_500);
    vi.advanceTimersByTime(100);
    expect(fired).toEqual([["a", "b"]]);
    timer.forget("c");
    vi.advanceTimersByTime(1_000);
    expect(fired).toHaveLength(1);
  });

  it("takes what is due now after the current turn", () => {
    const fired: string[][] = [];
    const timer = new FlushTimer<string>((items) => fired.push([...items]));
    timer.book("a", 1_000_000);
    timer.book("b", 0);
    expect(fired).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(fired).toEqual([["a", "b"]]);
    timer.book("later", 1_000_100);
    timer.stop();
    vi.advanceTimersByTime(1_000);
    expect(fired).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

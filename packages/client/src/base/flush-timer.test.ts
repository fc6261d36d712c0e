import { monotonicNow } from "@stanzapack/xmpp";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FlushTimer } from "./flush-timer.js";

describe("FlushTimer", () => {
  let start = 0;
  beforeEach(() => {
    vi.useFakeTimers();
    start = monotonicNow();
  });
  afterEach(() => void vi.useRealTimers());

  it("fires once for all that is due, the earlier booking holding", () => {
    const fired: string[][] = [];
    const timer = new FlushTimer<string>((items) => fired.push([...items]));
    timer.book("a", start + 100);
    timer.book("b", start + 100);
    timer.book("b", start + 900);
    timer.book("c", start + 500);
    vi.advanceTimersByTime(100);
    expect(fired).toEqual([["a", "b"]]);
    timer.forget("c");
    vi.advanceTimersByTime(1_000);
    expect(fired).toHaveLength(1);
  });

  it("takes what is due now after the current turn", () => {
    const fired: string[][] = [];
    const timer = new FlushTimer<string>((items) => fired.push([...items]));
    timer.book("a", start);
    timer.book("b", 0);
    expect(fired).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(fired).toEqual([["a", "b"]]);
    timer.book("later", start + 100);
    timer.stop();
    vi.advanceTimersByTime(1_000);
    expect(fired).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("fires in time while somebody sets the wall clock, back and forth", () => {
    const fired: string[][] = [];
    const timer = new FlushTimer<string>((items) => fired.push([...items]));
    for (const stepMs of [-3_600_000, 3_600_000, 86_400_000, -86_400_000]) {
      timer.book("a", monotonicNow() + 100);
      vi.setSystemTime(Date.now() + stepMs);
      vi.advanceTimersByTime(100);
    }
    expect(fired).toHaveLength(4);
  });
});

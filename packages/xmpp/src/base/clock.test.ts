import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { monotonicNow, wallAheadMs, wallNow } from "./clock.js";

const DAY_MS = 86_400_000;

describe("the clocks", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("one goes on as time does, the other as somebody sets it", () => {
    const start = monotonicNow();
    let wall = wallNow();
    for (const [i, stepMs] of [-3_600_000, 3_600_000, -DAY_MS, DAY_MS].entries()) {
      vi.setSystemTime(Date.now() + stepMs);
      vi.advanceTimersByTime(1_000);
      wall += stepMs + 1_000;
      expect(monotonicNow()).toBe(start + (i + 1) * 1_000);
      expect(wallNow()).toBe(wall);
      expect(monotonicNow() + wallAheadMs()).toBe(wall);
    }
  });

  it("differ by as much as before while nobody sets one, whatever a reading's jitter", () => {
    vi.setSystemTime(Date.now() + 1_000);
    const ahead = wallAheadMs();
    vi.setSystemTime(Date.now() + 4);
    expect(wallAheadMs()).toBe(ahead);
    vi.setSystemTime(Date.now() + 4);
    expect(wallAheadMs()).toBe(ahead + 8);
  });
});

import { describe, expect, it, vi } from "vitest";
import { beat, deadline } from "./hold-ups.js";
import { afterTimers, until } from "../testing/until.js";

/** Does nothing, like a long computation. */
function holdUp(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe("deadline", () => {
  it("is kept where nothing holds the process up, and can be cancelled", async () => {
    const late = vi.fn();
    const other = vi.fn();
    deadline(20, late);
    deadline(20, other)();
    await until(() => late.mock.calls.length > 0);
    await afterTimers(20);
    expect(late).toHaveBeenCalledTimes(1);
    expect(other).not.toHaveBeenCalled();
  });

  it("leaves time to read what came while the process was held up", async () => {
    const late = vi.fn();
    const cancel = deadline(200, late);
    holdUp(900);
    // The event loop reads what arrived during the hold-up in its next turns.
    await afterTimers(0);
    expect(late).not.toHaveBeenCalled();
    await until(() => late.mock.calls.length > 0);
    cancel();
  });

  it("comes at last though the process is held up again and again", async () => {
    vi.useFakeTimers();
    try {
      const late = vi.fn();
      let turns = 0;
      let skipped = 0;
      const clock = performance.now.bind(performance);
      vi.spyOn(performance, "now").mockImplementation(() => clock() + skipped);
      deadline(100, late);
      for (; turns < 10 && late.mock.calls.length === 0; turns++) {
        // The clock goes on while no timer fires.
        skipped += 5_000;
        await vi.advanceTimersByTimeAsync(100);
      }
      expect(turns).toBe(4);
    } finally {
      vi.useRealTimers();
      vi.restoreAllMocks();
    }
  });
});

describe("beat", () => {
  it("tells how long the process was held up in place of a beat, and goes on", async () => {
    const beats = vi.fn();
    const heldUp = vi.fn<(ms: number) => void>();
    const end = beat(50, beats, heldUp, () => undefined);
    await until(() => beats.mock.calls.length >= 2);
    holdUp(800);
    const before = beats.mock.calls.length;
    await until(() => heldUp.mock.calls.length === 1);
    expect(beats).toHaveBeenCalledTimes(before);
    expect(heldUp.mock.calls[0]?.[0]).toBeGreaterThan(600);
    // A busy machine makes the hold-up longer.
    expect(heldUp.mock.calls[0]?.[0]).toBeLessThan(8_000);
    await until(() => beats.mock.calls.length > before);
    end();
  });

  it("beats on while somebody sets the wall clock, and tells by how much", () => {
    vi.useFakeTimers();
    try {
      const beats = vi.fn();
      const heldUp = vi.fn();
      const steps: number[] = [];
      const end = beat(1_000, beats, heldUp, (ms) => steps.push(ms));
      for (const stepMs of [0, -3_600_000, 3_600_000, 86_400_000, -86_400_000, 200]) {
        vi.setSystemTime(Date.now() + stepMs);
        vi.advanceTimersByTime(5_000);
      }
      end();
      expect(beats).toHaveBeenCalledTimes(30);
      expect(heldUp).not.toHaveBeenCalled();
      expect(steps).toEqual([-3_600_000, 3_600_000, 86_400_000, -86_400_000]);
    } finally {
      vi.useRealTimers();
    }
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ServerWatch } from "./server-watch.js";

/** A server that answers at once unless it stands still. */
function setUp() {
  let goOn: ((came: boolean) => void)[] | undefined;
  let probes = 0;
  const watch = new ServerWatch({
    probe: () => {
      probes++;
      return goOn === undefined ? Promise.resolve(true) : new Promise((resolve) => goOn?.push(resolve));
    },
  });
  return {
    watch,
    stop: () => (goOn = []),
    start: (came = true) => {
      const waiting = goOn ?? [];
      goOn = undefined;
      for (const resolve of waiting) resolve(came);
    },
    probes: () => probes,
  };
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe("ServerWatch", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("counts while the server answers, and begins anew when it stood still", async () => {
    const { watch, stop, start } = setUp();
    const over = vi.fn();
    void watch.answeredFor(10_000).then(over);
    await pass(8_500);
    stop();
    await pass(40_000);
    expect(over).not.toHaveBeenCalled();
    start();
    await pass(9_500);
    expect(over).not.toHaveBeenCalled();
    await pass(1_000);
    expect(over).toHaveBeenCalledWith(true);
  });

  it("asks once for all who wait, and gives up with the stream or with them", async () => {
    const { watch, stop, start, probes } = setUp();
    const outcomes: boolean[] = [];
    const over = new AbortController();
    for (const signal of [undefined, undefined, over.signal])
      void watch.answeredFor(3_000, signal).then((answered) => outcomes.push(answered));
    stop();
    await pass(1_000);
    expect(probes()).toBe(1);
    over.abort();
    start(false);
    await pass(0);
    expect(outcomes).toEqual([false, false, false]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("judges at last where the server is slow for good", async () => {
    const { watch, stop, start } = setUp();
    const over = vi.fn();
    void watch.answeredFor(2_000).then(over);
    let seconds = 0;
    for (; over.mock.calls.length === 0; seconds += 5) {
      stop();
      await pass(5_000);
      start();
      await pass(0);
    }
    expect(seconds).toBeLessThan(100);
    expect(over).toHaveBeenCalledWith(true);
  });
});

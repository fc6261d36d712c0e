import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WindowBatcher } from "./window-batcher.js";

beforeEach(() => void vi.useFakeTimers({ now: 10_300 }));
afterEach(() => void vi.useRealTimers());

function record(windowMs: number): { batcher: WindowBatcher<number>; batches: [number, number[]][] } {
  const batches: [number, number[]][] = [];
  const batcher = new WindowBatcher<number>(windowMs, (items) => batches.push([Date.now(), [...items]]));
  return { batcher, batches };
}

test("the first value after a silence leaves at once, later ones at the next multiple of the window", () => {
  const { batcher, batches } = record(1_000);
  batcher.push(1);
  vi.advanceTimersByTime(100);
  batcher.push(2);
  batcher.push(3);
  vi.advanceTimersByTime(700);
  batcher.push(4);
  vi.advanceTimersByTime(2_500);
  batcher.push(5);
  vi.advanceTimersByTime(0);
  expect(batches).toEqual([
    [10_300, [1]],
    [11_000, [2, 3]],
    [12_000, [4]],
    [13_600, [5]],
  ]);
});

test("stop drops what waits", () => {
  const { batcher, batches } = record(500);
  batcher.push(1);
  batcher.stop();
  vi.advanceTimersByTime(2_000);
  expect(batches).toEqual([]);
});

test("flush gives what waits, once", () => {
  const { batcher, batches } = record(500);
  batcher.push(1);
  batcher.flush();
  batcher.flush();
  vi.advanceTimersByTime(2_000);
  expect(batches).toEqual([[10_300, [1]]]);
});

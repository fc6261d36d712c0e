import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ChunkCache, type Chunk } from "./chunks.js";

const chunk = (from: number): Chunk => ({
  ...{ from, to: from },
  rows: [{ from, offset: from, at: 0, cameAt: 0, row: new Uint8Array(600) }],
});

describe("chunks of journals in memory", () => {
  it("stay until they are read, for a while, and give way then", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const cache = new ChunkCache(2_500);
    const dropped: number[] = [];
    const [one, two] = [chunk(1), chunk(2)];
    for (const each of [one, two]) {
      expect(cache.reserve(1_000)).toBe(true);
      cache.release(1_000);
      cache.keep(each, () => dropped.push(each.from));
    }
    // Both wait for their readers.
    expect([cache.reserve(1_000), dropped]).toEqual([false, []]);
    cache.touch(two);
    expect([cache.reserve(1_000), dropped]).toEqual([true, [2]]);
    cache.release(1_000);
    cache.keep(two, () => dropped.push(2));
    // The reader of the first has gone.
    vi.advanceTimersByTime(2_001);
    expect([cache.reserve(1_000), dropped]).toEqual([true, [2, 1]]);
  });

  it("are possible one at a time, however small the bound", () => {
    const cache = new ChunkCache(10);
    expect([cache.reserve(1_000), cache.reserve(1_000)]).toEqual([true, false]);
  });
});

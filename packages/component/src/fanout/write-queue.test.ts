import { describe, expect, it } from "vitest";
import { NOT_QUEUED, PHASES, WriteQueue, type QueuedWriter } from "./write-queue.js";

const writers = (count: number): QueuedWriter[] =>
  Array.from({ length: count }, (_, phase) => ({ phase, queue: NOT_QUEUED }) as QueuedWriter);
const phasesOf = (taken: readonly QueuedWriter[]): number[] => taken.map(({ phase }) => phase);

describe("writers that wait to be written", () => {
  it("are each taken once, in the order in which they came", () => {
    const queue = new WriteQueue();
    const [a, b, c] = writers(3) as [QueuedWriter, QueuedWriter, QueuedWriter];
    for (const writer of [b, a, b, c]) queue.add(writer);
    queue.remove(a);
    expect(queue.take()).toEqual([b, c]);
    expect(queue.take()).toEqual([]);
    // A writer that was removed and added again is in the queue once.
    queue.add(a);
    queue.remove(a);
    queue.add(a);
    expect(queue.take()).toEqual([a]);
    expect(a.queue).toBe(NOT_QUEUED);
  });

  it("leave at their phases when they are spread; what hurries leaves with the next write, and once", () => {
    const queue = new WriteQueue();
    const all = writers(10);
    for (const writer of all) queue.add(writer);
    expect([queue.size, queue.isSpread]).toEqual([10, false]);
    queue.spread();
    expect(queue.isSpread).toBe(true);
    expect(phasesOf(queue.take())).toEqual([0, 5]);
    queue.hurry(all[3] as QueuedWriter);
    queue.hurry(all[0] as QueuedWriter);
    queue.add(all[7] as QueuedWriter);
    expect(phasesOf(queue.take())).toEqual([3, 7]);
    expect(phasesOf(queue.take(1))).toEqual([1, 6]);
    expect(phasesOf(queue.take(3))).toEqual([8]);
    // A writer is spread again into a phase that has an old entry of it.
    queue.add(all[7] as QueuedWriter);
    queue.spread();
    expect(phasesOf(queue.take(2))).toEqual([2, 7]);
    queue.gather();
    expect(queue.isSpread).toBe(false);
    expect(phasesOf(queue.take())).toEqual([4, 9]);
  });

  it("are forgotten at the end", () => {
    const queue = new WriteQueue();
    const all = writers(PHASES * 2);
    for (const writer of all) queue.add(writer);
    queue.spread();
    queue.clear();
    expect([queue.size, queue.isSpread, all.every(({ queue }) => queue === NOT_QUEUED)]).toEqual([
      ...[0, false, true],
    ]);
  });
});

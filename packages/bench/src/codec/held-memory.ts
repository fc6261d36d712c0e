import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

const ROUNDS = 5;

/**
 * What is still held after `work`, which gives what is to be kept, in bytes: heap and buffers. The median of a few rounds,
 * since each also makes and frees what is not its own.
 */
export function measureHeld(work: () => unknown): number {
  // The first time makes what later ones share: compiled code, the shapes of objects.
  work();
  const rounds = Array.from({ length: ROUNDS }, () => {
    const kept: unknown[] = [];
    const before = used();
    kept.push(work());
    const held = used() - before;
    // Not collected before it was measured.
    kept.length = 0;
    return Math.max(0, held);
  });
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1] as number;
}

function used(): number {
  collect ??= exposeCollect();
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function exposeCollect(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

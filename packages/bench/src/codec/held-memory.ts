import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

const ROUNDS = 3;
/** What the engine makes and frees meanwhile, some 100 KB, is shared by so many. */
const COPIES = 4;

/** What is still held after `work`, which gives what is to be kept, in bytes: heap and buffers. The median of a few rounds. */
export function measureHeld(work: () => unknown): number {
  // The first time makes what later ones share: compiled code, the shapes of objects.
  work();
  const rounds = Array.from({ length: ROUNDS }, () => {
    const kept: unknown[] = [];
    const before = used();
    for (let i = 0; i < COPIES; i++) kept.push(work());
    const held = (used() - before) / COPIES;
    // Not collected before it was measured.
    kept.length = 0;
    return Math.max(0, Math.round(held));
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

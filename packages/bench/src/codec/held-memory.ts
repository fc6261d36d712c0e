import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

const ROUNDS = 3;
/** Number of copies. They share the 100 KB or so that the engine allocates meanwhile. */
const COPIES = 4;

/** Memory that the result of `work` holds, in bytes: heap and buffers. The median of several rounds. */
export function measureHeld(work: () => unknown): number {
  // The first call creates what later calls share: compiled code, the shapes of objects.
  work();
  const rounds = Array.from({ length: ROUNDS }, () => {
    const kept: unknown[] = [];
    const before = used();
    for (let i = 0; i < COPIES; i++) kept.push(work());
    const held = (used() - before) / COPIES;
    // `kept` is used here, so that the results are not collected before they are measured.
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

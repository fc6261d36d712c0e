import { LaneReader, LaneRun } from "@stanzapack/estimate";
import type { TimedBatch } from "./batches.js";
import { JsonDeflater, JsonInflater } from "./json-stream.js";

/** Processor time of all batches, in µs. */
export interface Times {
  readonly encode: number;
  readonly decode: number;
  readonly jsonDeflate: number;
  readonly jsonInflate: number;
}

/** How carefully to time: at least `passes` passes, and until they have taken `forMs` ms. */
export interface Care {
  readonly passes: number;
  readonly forMs: number;
}

export const FULL_CARE: Care = { passes: 5, forMs: 300 };
export const QUICK_CARE: Care = { passes: 3, forMs: 60 };

/** Most passes: the median of more passes is the same. */
const MAX_PASSES = 99;

/** Runs the code once, so that the engine compiles it. */
export function warmUp(batches: readonly TimedBatch[]): void {
  pass(batches);
}

/** Medians of several passes, ours and JSON's in turn in one process. The first pass is not counted. */
export function measureTimes(batches: readonly TimedBatch[], care: Care): Times {
  warmUp(batches);
  const all: Times[] = [];
  const startedAt = performance.now();
  while (all.length < care.passes || (all.length < MAX_PASSES && performance.now() - startedAt < care.forMs))
    all.push(pass(batches));
  const median = (of: (times: Times) => number): number => {
    const sorted = all.map(of).sort((a, b) => a - b);
    return sorted[sorted.length >> 1] as number;
  };
  return {
    encode: median(({ encode }) => encode),
    decode: median(({ decode }) => decode),
    jsonDeflate: median(({ jsonDeflate }) => jsonDeflate),
    jsonInflate: median(({ jsonInflate }) => jsonInflate),
  };
}

function pass(batches: readonly TimedBatch[]): Times {
  const lane = new LaneRun("plain");
  const reader = new LaneReader();
  const deflater = new JsonDeflater();
  const inflater = new JsonInflater();
  const [frames, encode] = timed(() => batches.map(({ batch, nowMs }) => lane.encode(batch, nowMs).frame));
  const [packed, jsonDeflate] = timed(() => batches.map(({ batch }) => deflater.encode(batch.rows)));
  const [, decode] = timed(() => frames.forEach((frame) => reader.read(frame)));
  const [, jsonInflate] = timed(() => packed.forEach((bytes) => inflater.decode(bytes)));
  return { encode, decode, jsonDeflate, jsonInflate };
}

/**
 * Processor time of the whole process, with the threads of the collector and the compiler. It ignores other processes
 * on the machine.
 */
function timed<T>(work: () => T): [result: T, us: number] {
  const startedAt = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(startedAt);
  return [result, user + system];
}

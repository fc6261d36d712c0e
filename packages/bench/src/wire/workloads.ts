import type { Value } from "@stanzapack/wire";
import { readWeather } from "../demo/data-files.js";
import { lcg } from "../workloads/random.js";
import { floats, ints, objects } from "../workloads/series.js";
import { logLines } from "../workloads/texts.js";

export const WORKLOADS = ["int", "float2", "obj", "text1000", "mixed3", "now-and-then", "seattle"] as const;

export type WorkloadId = (typeof WORKLOADS)[number];

/** One service of a workload: its values and their times. */
export interface Feed {
  /** Name within the workload: the last part of the service's name. */
  readonly name: string;
  readonly values: Iterator<Value, never>;
  /** Time to the next update, in ms. */
  nextMs(): number;
}

/** Time between two updates, in ms, unless a service has its own: ten a second. */
const EVERY_MS = 100;
/**
 * Pauses of `now-and-then`, in ms: four updates a second on average. In windows of 0 and 100 ms each update travels
 * alone, and a batch of 90 s has over 300 of them. With fewer, the bytes of subscribing would decide the result.
 */
const PAUSE_MS = { min: 120, max: 400 };
const LINE_CHARS = 1_000;
/** Length of the short lines of `mixed3`, in characters. */
const SHORT_LINE_CHARS = 100;

/** The services of a workload. The values are the same in every run, and never end. */
export function createFeeds(workload: WorkloadId): Feed[] {
  switch (workload) {
    case "int":
      return [steady("int", ints())];
    case "float2":
      return [steady("float2", floats())];
    case "obj":
      return [steady("obj", objects())];
    case "text1000":
      return [steady("text1000", logLines(LINE_CHARS))];
    case "mixed3":
      return [
        steady("mixed3-int", ints()),
        steady("mixed3-obj", objects()),
        steady("mixed3-text", logLines(SHORT_LINE_CHARS)),
      ];
    case "now-and-then":
      return [nowAndThen()];
    case "seattle":
      return [steady("seattle", looped(readWeather()))];
  }
}

function steady(name: string, values: Iterator<Value, never>): Feed {
  return { name, values, nextMs: () => EVERY_MS };
}

function nowAndThen(): Feed {
  const random = lcg(23);
  return {
    name: "now-and-then",
    values: objects(),
    nextMs: () => Math.round(PAUSE_MS.min + random() * (PAUSE_MS.max - PAUSE_MS.min)),
  };
}

function* looped(values: readonly Value[]): Generator<Value, never> {
  for (;;) yield* values;
}

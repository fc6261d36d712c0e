import type { Value } from "@stanzapack/wire";
import { readWeather } from "../demo/data-files.js";

export const WORKLOADS = ["int", "float2", "obj", "text1000", "mixed3", "now-and-then", "seattle"] as const;

export type WorkloadId = (typeof WORKLOADS)[number];

/** One service of a workload: its values, and when they come. */
export interface Feed {
  /** Within its workload; the last part of the service's name. */
  readonly name: string;
  readonly values: Iterator<Value, never>;
  /** Time to the next update, in ms. */
  nextMs(): number;
}

/** Of services that do not say otherwise: ten a second. */
const EVERY_MS = 100;
/** `now-and-then`: every 2 s on average, in ms. */
const PAUSE_MS = { min: 1_000, max: 3_000 };
const LINE_CHARS = 1_000;
/** The short lines of `mixed3`. */
const SHORT_LINE_CHARS = 100;

/** The services of a workload. The values are the same in every run and never end. */
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

// The series of the codec's prototype, number by number, but without their ends.

type Random = () => number;

/** A linear congruential generator whose state may pass 2^53 for a moment: its low digits differ from `lcg`'s. */
function roundedLcg(seed: number): Random {
  let state = seed;
  return () => (state = (state * 1_664_525 + 1_013_904_223) >>> 0) / 2 ** 32;
}

function lcg(seed: number): Random {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

function* ints(): Generator<Value, never> {
  const random = roundedLcg(1);
  for (let x = 500; ;) yield { x: (x += Math.round((random() - 0.5) * 6)) };
}

function* floats(): Generator<Value, never> {
  const random = roundedLcg(2);
  for (let x = 21.5; ;) yield { x: (x = Math.round((x + (random() - 0.5) * 0.3) * 100) / 100) };
}

function* objects(): Generator<Value, never> {
  const random = roundedLcg(4);
  const state = { cpu: 20, mem: 512, fps: 60, x: 10, y: 20 };
  for (;;) {
    state.cpu = Math.round(random() * 1_000) / 10;
    state.x += Math.round((random() - 0.5) * 4);
    state.y += Math.round((random() - 0.5) * 4);
    yield { ...state };
  }
}

const LOG_EVENTS = [
  ...["accepted connection", "closed idle session", "retrying upstream call", "cache miss for key"],
  ...["authenticated user", "query finished", "slow response", "rate limit near threshold"],
];

/** Lines of a log, each of exactly so many characters. */
function* logLines(chars: number): Generator<string, never> {
  const random = lcg(11);
  const below = (end: number): number => Math.floor(random() * end);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  const hex = (digits: number): string => {
    let text = "";
    for (let i = 0; i < digits; i++) text += "0123456789abcdef"[below(16)];
    return text;
  };
  for (let line = 0; ; line++) {
    const at = new Date(Date.UTC(2026, 0, 1) + line * 1_370 + below(900)).toISOString();
    let text = `${at} ${pick(["INFO", "INFO", "INFO", "WARN", "ERROR"])} api-gateway[${1_000 + below(8)}]`;
    while (text.length < chars)
      text +=
        ` ${pick(LOG_EVENTS)} client=10.${below(4)}.${below(256)}.${below(256)} req=${hex(12)}` +
        ` path=/v1/${pick(["orders", "users", "items", "carts"])}/${below(100_000)}` +
        ` status=${pick([200, 200, 200, 204, 304, 404, 500])} ms=${(random() * random() * 900).toFixed(1)};`;
    yield text.slice(0, chars);
  }
}

function* looped(values: readonly Value[]): Generator<Value, never> {
  for (;;) yield* values;
}

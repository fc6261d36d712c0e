import { randomInt } from "node:crypto";
import type { Value } from "@stanzapack/wire";
import { readParagraphs, readWeather } from "./data-files.js";
import { createCpuGauge, readActivity, readMemory, readNetwork } from "./machine.js";
import type { DemoServiceName } from "./services.js";

/** Real input for one service. */
export interface DemoSource {
  /** Speaks until the function it gives is called. */
  start(publish: (value: Value) => void): () => void;
}

const SAMPLE_MS = 100;
const TEXT_MS = 200;
/**
 * How long `now-and-then` keeps silent at least and, as it draws, at most; in ms. Longer than its window, so that each update travels alone;
 * and short enough that a minute has a hundred: with few, what subscribing costs would decide.
 */
const PAUSE_MS = { min: 200, max: 600 };
/** Then it speaks at the next change, or after so many ms without one. */
const PATIENCE_MS = 200;

export function createSources(): Record<DemoServiceName, DemoSource> {
  return {
    cpu: sampled(SAMPLE_MS, createCpuGauge()),
    memory: sampled(SAMPLE_MS, readMemory),
    network: sampled(SAMPLE_MS, () => ({ ...readNetwork() })),
    weather: looped(SAMPLE_MS, readWeather()),
    text: looped(TEXT_MS, readParagraphs()),
    "now-and-then": irregular(readActivity),
  };
}

function sampled(everyMs: number, sample: () => Value): DemoSource {
  return {
    start(publish) {
      const timer = setInterval(() => publish(sample()), everyMs);
      return () => clearInterval(timer);
    },
  };
}

/** Goes on where it stopped. */
export function looped(everyMs: number, values: readonly Value[]): DemoSource {
  let index = 0;
  return sampled(everyMs, () => values[index++ % values.length] ?? null);
}

/** Tells a change as soon as a pause of its own choice is over. */
export function irregular(
  sample: () => Record<string, number>,
  drawPauseMs = () => randomInt(PAUSE_MS.min, PAUSE_MS.max),
): DemoSource {
  return {
    start(publish) {
      let told = "";
      let quietUntil = 0;
      const timer = setInterval(() => {
        const now = Date.now();
        if (now < quietUntil) return;
        const value = sample();
        const text = JSON.stringify(value);
        if (text === told && now < quietUntil + PATIENCE_MS) return;
        told = text;
        quietUntil = now + drawPauseMs();
        publish(value);
      }, SAMPLE_MS);
      return () => clearInterval(timer);
    },
  };
}

import { randomInt } from "node:crypto";
import type { Value } from "@stanzapack/wire";
import { readParagraphs, readWeather } from "./data-files.js";
import { createCpuGauge, readActivity, readMemory, readNetwork } from "./machine.js";
import type { DemoServiceName } from "./services.js";

/** Real values for one service. */
export interface DemoSource {
  /** Publishes values until the returned function is called. */
  start(publish: (value: Value) => void): () => void;
}

const SAMPLE_MS = 100;
const TEXT_MS = 200;
/**
 * Shortest and longest pause of `now-and-then`, in ms; each pause is drawn between them. A pause is longer than the
 * window, so that each update travels alone. It is short enough for a hundred updates in a minute: with few updates,
 * the bytes of subscribing would decide the result.
 */
const PAUSE_MS = { min: 200, max: 600 };
/** After its pause the source publishes the next change, or after this time the unchanged value, in ms. */
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

/** Publishes the values in a loop. After a stop it continues where it stopped. */
export function looped(everyMs: number, values: readonly Value[]): DemoSource {
  let index = 0;
  return sampled(everyMs, () => values[index++ % values.length] ?? null);
}

/** Publishes a change as soon as a random pause is over. */
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

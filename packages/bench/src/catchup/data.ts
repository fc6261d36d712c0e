import { below, lcg, type Random } from "../workloads/random.js";
import type { Reading } from "./rows.js";

export function keyOf(i: number): string {
  return `sensor/${String(i).padStart(5, "0")}`;
}

/** A temperature of one decimal from −10 to 35, a humidity in whole percent, and whether the sensor is well: mostly. */
function reading(random: Random): Reading {
  return { t: (below(random, 451) - 100) / 10, h: below(random, 101), ok: random() < 0.95 };
}

/** The map: values are by chance, so no key helps to guess another. The same seed gives the same map. */
export class Readings {
  readonly map = new Map<string, Reading>();
  private readonly random = lcg(14);

  constructor(readonly keys: number) {
    for (let i = 0; i < keys; i++) this.map.set(keyOf(i), reading(this.random));
  }

  /** Changes this part of the keys, at least one, in a random order. Returns the changes. */
  change(part: number): Map<string, Reading> {
    const changes = new Map<string, Reading>();
    const count = Math.max(1, Math.round(part * this.keys));
    while (changes.size < count) {
      const key = keyOf(below(this.random, this.keys));
      if (!changes.has(key)) changes.set(key, reading(this.random));
    }
    for (const [key, value] of changes) this.map.set(key, value);
    return changes;
  }
}

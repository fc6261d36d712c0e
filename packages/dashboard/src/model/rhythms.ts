import type { ServiceRow } from "@stanzapack/component";

/** Least rate of a service whose silence is noticed, in updates a second. Slower ones may well be silent. */
const LEAST_RATE = 0.5;
/** Updates that a service should have had since its newest one. So many are no accident. */
const MISSED = 20;
/** Shortest silence that is noticed, in ms. A publisher may send in windows of a second and more. */
const LEAST_SILENCE_MS = 10_000;
/** Longest silence that is noticed, in ms. By then the publisher has ended on purpose, or somebody has seen it. */
const MOST_SILENCE_MS = 900_000;
/** Time in which the remembered rate falls to a third, in ms. */
const FORGET_MS = 300_000;

/** A publisher that was busy, and sends nothing now. */
export interface Silence {
  readonly node: string;
  readonly sinceMs: number;
  /** Updates a second before. */
  readonly rate: number;
}

/** Remembers how often each service had updates, to notice a publisher that hangs. Its link may live for minutes. */
export class Rhythms {
  private readonly rates = new Map<string, number>();
  private observedAt: number | undefined;

  /** Returns the services that are silent for too long. `now`: by the component's clock, in ms since 1970. */
  observe(services: ReadonlyMap<string, ServiceRow>, now: number): Silence[] {
    const kept = Math.exp(-Math.max(0, now - (this.observedAt ?? now)) / FORGET_MS);
    this.observedAt = now;
    for (const node of this.rates.keys()) if (!services.has(node)) this.rates.delete(node);
    const silences: Silence[] = [];
    for (const [node, { updatesIn, at, status, subscribers }] of services) {
      const rate = Math.max(updatesIn, (this.rates.get(node) ?? 0) * kept);
      this.rates.set(node, rate);
      const sinceMs = at === null ? 0 : now - at;
      const isLong = sinceMs >= LEAST_SILENCE_MS && sinceMs <= MOST_SILENCE_MS;
      if (status === "online" && subscribers > 0 && rate >= LEAST_RATE && isLong)
        if ((rate * sinceMs) / 1_000 >= MISSED) silences.push({ node, sinceMs, rate });
    }
    return silences;
  }

  clear(): void {
    this.rates.clear();
    this.observedAt = undefined;
  }
}

/** Time over which a rate is computed, in ms: three of the longest windows. */
const RATE_MS = 3_000;

export interface Reading {
  /** JSON of the newest value. */
  readonly newest: string;
  readonly perSecond: number;
  /** Age of the newest value by the component's clock. */
  readonly ageMs: number;
}

/** The figures of each service that the screen shows during the run. */
export class Readings {
  private readonly services = new Map<string, { newest: string; at: number; arrivals: number[] }>();

  constructor(private readonly now: () => number = Date.now) {}

  add(service: string, json: string, at: number): void {
    const reading = this.services.get(service) ?? { newest: "", at, arrivals: [] };
    this.services.set(service, reading);
    reading.newest = json;
    reading.at = at;
    reading.arrivals.push(this.now());
    this.trim(reading.arrivals);
  }

  get(service: string): Reading | undefined {
    const reading = this.services.get(service);
    if (reading === undefined) return undefined;
    this.trim(reading.arrivals);
    return {
      newest: reading.newest,
      perSecond: (reading.arrivals.length * 1_000) / RATE_MS,
      ageMs: Math.max(0, this.now() - reading.at),
    };
  }

  private trim(arrivals: number[]): void {
    const oldest = this.now() - RATE_MS;
    let count = 0;
    while ((arrivals[count] ?? Infinity) < oldest) count++;
    arrivals.splice(0, count);
  }
}

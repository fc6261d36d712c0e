import { describe, expect, it } from "vitest";
import { Admission } from "./admission.js";

const RATES = { perSecond: 100, burst: 20 };

describe("admission", () => {
  it("takes a burst, and then so many a second", () => {
    const admission = new Admission(RATES);
    const admitted = (count: number, now: number): number =>
      Array.from({ length: count }, () => admission.ask(now)).filter((wait) => wait === undefined).length;
    expect(admitted(50, 0)).toBe(20);
    expect(admitted(50, 500)).toBe(20);
    expect(admitted(50, 550)).toBe(5);
    expect(admitted(50, 60_000)).toBe(20);
    // A clock that steps back.
    expect(admitted(50, 1_000)).toBe(0);
  });

  it("brings 1,000 that come at once in within ten seconds and a burst, each refused once or twice at most", () => {
    const admission = new Admission(RATES);
    const waiting = Array.from({ length: 1_000 }, () => ({ dueAt: 0, refusals: 0 }));
    const admittedAt: number[] = [];
    while (waiting.length > 0) {
      waiting.sort((a, b) => a.dueAt - b.dueAt);
      const next = waiting.shift() as { dueAt: number; refusals: number };
      const wait = admission.ask(next.dueAt);
      if (wait === undefined) {
        admittedAt.push(next.dueAt);
        expect(next.refusals).toBeLessThanOrEqual(2);
        continue;
      }
      expect(wait).toBeGreaterThan(0);
      // They come a little later than they were told, each by chance.
      waiting.push({
        dueAt: next.dueAt + wait + ((next.refusals + wait * 7) % 10),
        refusals: next.refusals + 1,
      });
    }
    expect(admittedAt.at(-1)).toBeLessThan(11_000);
    for (let from = 0; from < 11_000; from += 100) {
      const inSecond = admittedAt.filter((at) => at >= from && at < from + 1_000).length;
      expect(inSecond).toBeLessThanOrEqual(RATES.perSecond + RATES.burst);
    }
  });
});

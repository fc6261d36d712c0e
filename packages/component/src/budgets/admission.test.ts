import { describe, expect, it } from "vitest";
import { Admission } from "./admission.js";

const RATES = { perSecond: 100, burst: 20 };

describe("admission", () => {
  it("takes a burst, and then so many a second", () => {
    const admission = new Admission(RATES);
    const admitted = (count: number, now: number): number =>
      Array.from({ length: count }, () => admission.ask(now, 0)).filter((wait) => wait === undefined).length;
    expect(admitted(50, 0)).toBe(20);
    expect(admitted(50, 500)).toBe(20);
    expect(admitted(50, 550)).toBe(5);
    expect(admitted(50, 60_000)).toBe(20);
  });

  it("brings 1,000 that come at once in within ten seconds and a burst, each refused once or twice at most", () => {
    const admission = new Admission(RATES);
    const waiting = Array.from({ length: 1_000 }, () => ({ dueAt: 0, refusals: 0 }));
    const admittedAt: number[] = [];
    while (waiting.length > 0) {
      waiting.sort((a, b) => a.dueAt - b.dueAt);
      const next = waiting.shift() as { dueAt: number; refusals: number };
      const wait = admission.ask(next.dueAt, 0);
      if (wait === undefined) {
        admittedAt.push(next.dueAt);
        expect(next.refusals).toBeLessThanOrEqual(2);
        continue;
      }
      expect(wait).toBeGreaterThan(0);
      // Clients come a little later than they were told, each by chance.
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

  it("tells nobody to wait for more than five minutes, and goes on admitting, however many there are", () => {
    const admission = new Admission(RATES);
    let chance = 0;
    const told = Array.from(
      { length: 100_000 },
      () => admission.ask(0, (chance = (chance + 0.618) % 1)) ?? 0,
    );
    expect(Math.max(...told)).toBeLessThanOrEqual(300_000);
    // Clients without a moment of their own are spread over the second half of the longest wait.
    const late = told.filter((wait) => wait > 225_000).length;
    expect(late / told.length).toBeGreaterThan(0.3);
    expect(late / told.length).toBeLessThan(0.6);
    // A client that comes a while later does not wait for clients that never came.
    expect(admission.ask(400_000, 0)).toBeUndefined();
  });
});

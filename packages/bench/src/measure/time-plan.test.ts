import { describe, expect, test } from "vitest";
import { planBatches } from "../wire/axes.js";
import { formatTimeLeft, FULL, Pace, QUICK } from "./time-plan.js";

describe("the pace of a run", () => {
  const batches = planBatches({ servers: ["prosody"] });

  test("gives each batch its full time where there is enough, 200 windows or 90 s", () => {
    const pace = new Pace(batches, FULL);
    const times = batches.map(({ windowMs }) => {
      const forMs = pace.nextForMs(FULL.totalMs / 2);
      pace.add(forMs + 1_000, forMs);
      return [windowMs, forMs];
    });
    expect(times.slice(0, 3)).toEqual([
      [0, 90_000],
      [100, 90_000],
      [1_000, 200_000],
    ]);
    expect(times).toHaveLength(15);
    expect(pace.leftMs).toBe(0);
  });

  test("gives less where there is not, and less again after a slow start", () => {
    const pace = new Pace(batches, QUICK);
    const first = pace.nextForMs(QUICK.totalMs);
    expect(first).toBeLessThan(10_000);
    pace.add(30_000, first);
    expect(pace.nextForMs(QUICK.totalMs - 30_000)).toBe(2_000);
    expect(pace.leftMs).toBeGreaterThan(30_000 * (batches.length - 2));
  });

  test("what was asked for stays", () => {
    expect(new Pace(batches, QUICK, 60_000).nextForMs(0)).toBe(60_000);
  });
});

test("axes: every hop that there is, each cell once", () => {
  const names = planBatches({}).flatMap(({ hop, windowMs, workloads, forms }) =>
    workloads.flatMap((workload) =>
      forms.map((form) => [...Object.values(hop), workload, windowMs, form].join(" ")),
    ),
  );
  expect(new Set(names).size).toBe(names.length);
  expect(names).toHaveLength(2 * 5 * 7 * 3 * 4);
  expect(() => planBatches({ transports: ["bosh"], compressions: ["zlib"] })).toThrow("zlib");
  expect(() => planBatches({ transports: ["tcp", "websocket"], compressions: ["gzip"] })).toThrow("gzip");
  expect(() => planBatches({ windowsMs: [300] })).toThrow("300");
});

test("time left", () => {
  expect(formatTimeLeft(44_100)).toBe("45 s");
  expect(formatTimeLeft(170_000)).toBe("3 min");
});

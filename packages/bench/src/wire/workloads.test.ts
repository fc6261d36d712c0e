import { describe, expect, test } from "vitest";
import { FULL } from "../measure/time-plan.js";
import { createFeeds, WORKLOADS } from "./workloads.js";

describe.each(WORKLOADS)("%s", (workload) => {
  test("gives the same values each time, without an end", () => {
    const take = (): unknown[] =>
      createFeeds(workload).flatMap(({ values }) => Array.from({ length: 200 }, () => values.next().value));
    expect(take()).toEqual(take());
  });
});

test("the series are the prototype's", () => {
  const first = (workload: (typeof WORKLOADS)[number]): unknown =>
    createFeeds(workload)[0]?.values.next().value;
  expect(first("int")).toEqual({ x: 498 });
  expect(first("float2")).toEqual({ x: 21.42 });
  expect(first("seattle")).toMatchObject({ precipitation: 0, weather: "drizzle" });
});

test("text1000 has exactly 1000 characters, mixed3 three services", () => {
  expect(createFeeds("text1000")[0]?.values.next().value).toHaveLength(1_000);
  expect(createFeeds("mixed3").map(({ name }) => name)).toEqual(["mixed3-int", "mixed3-obj", "mixed3-text"]);
});

test("now-and-then speaks at irregular moments, never twice in 100 ms, and 300 times in a batch; the others ten times in a second", () => {
  const pauses = (workload: (typeof WORKLOADS)[number], count: number): number[] => {
    const [feed] = createFeeds(workload);
    return Array.from({ length: count }, () => feed?.nextMs() ?? 0);
  };
  const rare = pauses("now-and-then", 300);
  expect(Math.min(...rare)).toBeGreaterThan(100);
  expect(new Set(rare).size).toBeGreaterThan(100);
  expect(rare.reduce((a, b) => a + b)).toBeLessThan(0.95 * FULL.enoughMs);
  expect(new Set(pauses("obj", 100))).toEqual(new Set([100]));
});

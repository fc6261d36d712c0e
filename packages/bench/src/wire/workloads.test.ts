import { describe, expect, test } from "vitest";
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

test("now-and-then speaks about every two seconds, the others ten times in one", () => {
  const mean = (workload: (typeof WORKLOADS)[number]): number => {
    const [feed] = createFeeds(workload);
    return Array.from({ length: 1_000 }, () => feed?.nextMs() ?? 0).reduce((a, b) => a + b) / 1_000;
  };
  expect(mean("now-and-then")).toBeGreaterThan(1_900);
  expect(mean("now-and-then")).toBeLessThan(2_100);
  expect(mean("obj")).toBe(100);
});

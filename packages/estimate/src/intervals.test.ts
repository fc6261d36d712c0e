import { expect, test } from "vitest";
import { Intervals } from "./intervals.js";

function usual(times: readonly number[]): number | undefined {
  const intervals = new Intervals();
  for (const at of times) intervals.add("", at);
  return intervals.usual;
}

test("the median, whichever way the times go", () => {
  expect(usual([0, 100, 200, 5_000])).toBe(100);
  expect(usual([300, 200, 100, 0])).toBe(100);
  expect([usual([]), usual([1])]).toEqual([undefined, undefined]);
});

test("the mean where most share their time with another", () => {
  expect(usual([0, 0, 0, 0, 1_000])).toBe(250);
  expect(usual([7, 7, 7])).toBe(0);
});

test("services have intervals of their own", () => {
  const intervals = new Intervals();
  for (let i = 0; i < 10; i++) for (const name of ["a", "b"]) intervals.add(name, i * 1_000);
  expect(intervals.usual).toBe(1_000);
});

test("a file of any length takes bounded memory", () => {
  const intervals = new Intervals();
  for (let i = 0; i < 300_000; i++) intervals.add("", i * 20);
  expect(intervals.usual).toBe(20);
});

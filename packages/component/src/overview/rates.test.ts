import { expect, it } from "vitest";
import { Rates } from "./rates.js";

it("a rate is 0 at first, then what came, and then a mean of the last seconds", () => {
  const rates = new Rates();
  const thing = {};
  const read = (count: number, seconds = 1): number => rates.read(thing, { count }, seconds).count;
  expect(read(5)).toBe(0);
  expect(read(15)).toBe(10);
  // Every second second brings 20.
  const seen: number[] = [];
  for (let i = 0; i < 20; i++) seen.push(read(15 + 20 * Math.ceil(i / 2)));
  expect(Math.min(...seen.slice(2))).toBeGreaterThan(6);
  expect(Math.max(...seen)).toBeLessThan(14);
  for (let i = 0; i < 30; i++) read(1_000);
  expect(read(1_000)).toBe(0);
  expect(read(7_000, 600)).toBe(10);
});

it("a thing has rates of its own", () => {
  const rates = new Rates();
  const [one, other] = [{}, {}];
  rates.read(one, { count: 0 }, 1);
  rates.read(other, { count: 7 }, 1);
  expect(rates.read(one, { count: 3 }, 1)).toEqual({ count: 3 });
  expect(rates.read(other, { count: 7 }, 1)).toEqual({ count: 0 });
});

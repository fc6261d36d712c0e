import { expect, it } from "vitest";
import {
  formatAge,
  formatByteRate,
  formatBytes,
  formatDuration,
  formatExact,
  formatNumber,
  formatPart,
  formatRate,
  formatTick,
  formatTimes,
  formatWindow,
} from "./format.js";

const plain = (text: string): string => text.replaceAll("\u00a0", " ");

it("writes numbers with three digits, and whole ones whole", () => {
  const numbers = [0, 1, 12, 1_234_567, 0.123456, 9.8765, 98.765, 987.65, 12_345.6, -0.5, 1e-9, NaN];
  expect(numbers.map(formatNumber)).toEqual([
    ...["0", "1", "12", "1,234,567", "0.123", "9.88", "98.8", "988", "12,346", "-0.5", "1.00e-9", "NaN"],
  ]);
});

it("writes numbers of values with all digits that a reader compares", () => {
  expect([21.4375, 1_234_567, 0.1 + 0.2, 1e-9].map((value) => formatExact(value, ""))).toEqual([
    ...["21.4375", "1,234,567", "0.3", "1.00e-9"],
  ]);
});

it("writes units", () => {
  expect([0, 999, 1_000, 45_678, 1.5e9].map(formatBytes).map(plain)).toEqual([
    ...["0 B", "999 B", "1 kB", "45.7 kB", "1.5 GB"],
  ]);
  expect(plain(formatByteRate(1_234))).toBe("1.23 kB/s");
  expect(plain(formatRate(2.5))).toBe("2.5 /s");
  expect(plain(formatPart(0.4567))).toBe("45.7 %");
  expect([25, 1_500, 119_000, 180_000, 9_000_000, 259_200_000].map(formatDuration).map(plain)).toEqual([
    ...["25 ms", "1.5 s", "119 s", "3 min", "2.5 h", "3 d"],
  ]);
  expect([-5, 900, 3_900].map(formatAge).map(plain)).toEqual(["now", "now", "3 s ago"]);
  expect([null, 0, 100, 1_000].map(formatWindow).map(plain)).toEqual(["–", "at once", "100 ms", "1 s"]);
});

it("says how many times larger JSON is, where both are known", () => {
  expect([formatTimes(420, 100), formatTimes(50, 100), formatTimes(1, 0), formatTimes(0, 1)]).toEqual([
    ...["4.2×", "0.5×", "–", "–"],
  ]);
});

it("writes the numbers of a scale so that they differ", () => {
  expect([1_000.1, 1_000.2].map((value) => formatTick(value, 0.1, ""))).toEqual(["1,000.1", "1,000.2"]);
  expect([0, 5, 10].map((value) => plain(formatTick(value, 5, "%")))).toEqual(["0 %", "5 %", "10 %"]);
  expect(formatTick(12_500_000, 500_000, "")).toBe("12.5M");
});

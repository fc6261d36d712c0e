import { describe, expect, it } from "vitest";
import { MAX_NUMBERS, numbersIn, unitOf } from "./numbers.js";
import { scaleAround, scaleFromZero, Series } from "./series.js";
import { formatInLine, formatValue } from "./value-text.js";

describe("numbers in a value", () => {
  it("have their paths", () => {
    expect([...numbersIn(3)]).toEqual([["", 3]]);
    expect([...numbersIn({ a: 1, b: { c: 2, d: "x", e: [4] }, f: null, g: Number.NaN })]).toEqual([
      ["a", 1],
      ["b.c", 2],
    ]);
    expect(numbersIn(["x", 1]).size + numbersIn("1").size + numbersIn(new Uint8Array(3)).size).toBe(0);
  });

  it("are bounded", () => {
    const wide = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`n${i}`, i]));
    expect(numbersIn(wide).size).toBe(MAX_NUMBERS);
    expect(numbersIn({ a: { b: { c: { d: { e: 1 } } } } }).size).toBe(0);
  });

  it("have the unit that their name or their service's title tells", () => {
    const named = ["delayMs", "sizeBytes", "bytesPerSecond", "cpuPercent", "ageSeconds", "x"];
    expect(named.map((path) => unitOf(path))).toEqual(["ms", "B", "B/s", "%", "s", ""]);
    expect(unitOf("", "Kitchen, °C")).toBe("°C");
    expect(unitOf("", "This machine's memory, in MB")).toBe("MB");
    expect(unitOf("", "Per cent of this machine's processors in use")).toBe("%");
    expect(unitOf("", "Days of Seattle's weather, 2012 to 2015")).toBe("");
  });
});

describe("series", () => {
  it("keeps the last points of all lines", () => {
    const series = new Series(2, 3);
    for (let i = 1; i <= 5; i++) series.add(i * 1_000, [i, i === 4 ? null : -i]);
    expect(series.times).toEqual([3, 4, 5]);
    expect(series.lines).toEqual([
      [3, 4, 5],
      [-3, null, -5],
    ]);
  });

  it("stays in order when a clock is set back", () => {
    const series = new Series(1, 10);
    for (const at of [1_000, 2_000, 3_000, 2_000]) series.add(at, [at]);
    expect([series.times, series.lines[0]]).toEqual([
      [1, 2],
      [1_000, 2_000],
    ]);
  });

  it("has scales that show every number", () => {
    expect(scaleAround(null, null)).toEqual([0, 1]);
    expect(scaleAround(5, 5)).toEqual([4.5, 5.5]);
    expect(scaleAround(-10, -10)).toEqual([-11, -9]);
    expect(scaleAround(0, 100)).toEqual([-8, 108]);
    expect(scaleFromZero(null, 0)).toEqual([0, 1]);
    expect(scaleFromZero(40, 100)[0]).toBe(0);
  });
});

describe("a value as text", () => {
  it("is JSON with short parts in one line", () => {
    expect(formatValue({ a: 1, b: [1, 2], c: {}, d: null })).toBe(
      '{ "a": 1, "b": [1, 2], "c": {}, "d": null }',
    );
    const wide = formatValue({
      name: "x".repeat(60),
      list: Array.from({ length: 40 }, (_, i) => i),
      on: true,
    });
    expect(wide.split("\n").slice(0, 4)).toEqual([
      "{",
      `  "name": "${"x".repeat(60)}",`,
      '  "list": [',
      "    0,",
    ]);
    expect(wide.split("\n").slice(-3)).toEqual(["  ],", '  "on": true', "}"]);
  });

  it("is a text as it is, and bytes as such", () => {
    expect(formatValue("<b>\nx")).toBe("<b>\nx");
    expect(formatValue(Uint8Array.of(1, 255))).toBe("2 bytes: 01 ff");
    expect(formatValue(1.5)).toBe("1.5");
  });

  it("has whole lines, however large the value is", () => {
    const lines = formatValue(Array.from({ length: 1_000 }, (_, i) => `line ${i} ${"y".repeat(70)}`)).split(
      "\n",
    );
    expect(lines).toHaveLength(61);
    expect(lines.at(-1)).toBe("… the rest is left out");
    expect(lines.at(-2)).toMatch(/",$/);
    expect(formatValue("z".repeat(10_000)).length).toBeLessThan(2_100);
    expect(formatInLine({ a: "z".repeat(1_000) }, 50)).toHaveLength(50);
  });
});

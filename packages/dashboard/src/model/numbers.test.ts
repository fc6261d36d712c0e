import { describe, expect, it } from "vitest";
import { MAX_NUMBERS, numbersIn, unitOf } from "./numbers.js";

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

import { describe, expect, it } from "vitest";
import { formatInLine, formatValue } from "./value-text.js";

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

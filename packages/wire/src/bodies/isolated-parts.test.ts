import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BatchSlice } from "./row-batch.js";
import { isolatedParts } from "./isolated-parts.js";

const row = (bytes: number): Uint8Array => new Uint8Array(bytes);
const slice = (rows: readonly Uint8Array[], conflated = 0): BatchSlice => ({
  ...{ from: 10, to: 10 + conflated + rows.length - 1, rows },
  ...{ firstAt: 1_000, lastAt: 1_000 + 10 * (rows.length - 1) },
});
const shape = (parts: readonly BatchSlice[]): string[] =>
  parts.map(({ from, to, rows, firstAt, lastAt }) => `${from}-${to} ${rows.length} ${firstAt}-${lastAt}`);

describe("the parts of an isolated batch", () => {
  it("are runs of small rows and single large ones, each with its positions and times", () => {
    expect(shape(isolatedParts(slice([row(5), row(127), row(128), row(500), row(3), row(3)])))).toEqual([
      "10-11 2 1000-1010",
      "12-12 1 1020-1020",
      "13-13 1 1030-1030",
      "14-15 2 1040-1050",
    ]);
  });

  it("tell what was conflated with the oldest row", () => {
    expect(shape(isolatedParts(slice([row(200), row(200)], 5)))).toEqual([
      "10-15 1 1000-1000",
      "16-16 1 1010-1010",
    ]);
    expect(shape(isolatedParts(slice([row(1), row(2), row(3)], 5)))).toEqual(["10-17 3 1000-1020"]);
  });

  it("have all rows in order, without a gap, and are no larger for another row's sake", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.nat(20), (lengths, conflated) => {
        const given = slice(lengths.map(row), conflated);
        const parts = isolatedParts(given);
        expect(parts.flatMap(({ rows }) => rows)).toEqual(given.rows);
        let next = given.from;
        for (const part of parts) {
          expect(part.from).toBe(next);
          next = part.to + 1;
          if (part.rows.length > 1) expect(part.rows.every(({ length }) => length < 128)).toBe(true);
          if (part !== parts[0]) expect(part.to - part.from + 1).toBe(part.rows.length);
        }
        expect(next).toBe(given.to + 1);
        expect(parts[0]?.firstAt).toBe(given.firstAt);
        expect(parts.at(-1)?.lastAt).toBe(given.lastAt);
      }),
    );
  });
});

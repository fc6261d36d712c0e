import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { value } from "../../test/arbitraries.js";
import { isSame } from "../../test/is-same.js";
import { StanzapackError } from "../base/errors.js";
import { DEFAULT_LIMITS } from "../base/limits.js";
import type { Value } from "../msgpack/msgpack.js";
import { ColumnCodec, type CodecLimits } from "./column-codec.js";

const LIMITS: CodecLimits = {
  maxRows: 4_095,
  maxTextBytes: 1 << 20,
  maxValues: 1 << 20,
  maxDepth: 32,
  maxPlaceBytes: 4_194_304,
  packed: DEFAULT_LIMITS,
};

function roundTrip(batches: readonly (readonly Value[])[]): void {
  const encoder = new ColumnCodec(LIMITS);
  const decoder = new ColumnCodec(LIMITS);
  batches.forEach((rows, i) => {
    const batch = { rows, conflated: i % 3, at: i * 97, spanMs: i % 5 };
    const read = decoder.decode(encoder.encode(batch));
    // `toStrictEqual` shows where they differ. Alone it would accept keys in another order.
    if (!isSame(read, batch)) expect(read).toStrictEqual(batch);
    expect(isSame(read.rows, rows)).toBe(true);
  });
}

/** Returns the double that is 2^63 places away, in the order of all 2^64 doubles. */
function farthestFrom(value: number): number {
  const double = new Float64Array([value]);
  const bits = new BigUint64Array(double.buffer);
  bits[0] = (1n << 64n) - 1n - (bits[0] as bigint);
  return double[0] as number;
}

describe("the columnar codec", () => {
  it("gives back any values, batch after batch", () => {
    fc.assert(
      fc.property(fc.array(fc.array(value, { maxLength: 6 }), { maxLength: 6 }), (batches) => {
        roundTrip(batches);
      }),
      { numRuns: 300 },
    );
  });

  it("gives back rows of one shape with any leaves", () => {
    const rows = fc.array(fc.record({ a: value, b: value, c: fc.double() }, { noNullPrototype: true }), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(fc.array(rows, { maxLength: 5 }), (batches) => {
        roundTrip(batches);
      }),
      { numRuns: 200 },
    );
  });

  it.each<[string, readonly Value[]]>([
    ["negative zero", [0, -0, 0, -0, 1.5, -0]],
    ["what is not a number, and infinity", [NaN, 1, Infinity, -Infinity, NaN, 0.1]],
    ["the edges of integers", [2 ** 52, -(2 ** 52), 2 ** 53, -(2 ** 53), 2 ** 53 - 1, 2 ** 63, 1e308]],
    ["denormals", [5e-324, -5e-324, 2.2250738585072014e-308, 1e-310]],
    ["sums of decimals", [0.1, 0.2, 0.1 + 0.2, 0.7999999999999999, 0.8999999999999999]],
    ["float32", [Math.fround(0.1), Math.fround(21.7), 21.700001, 21.799999]],
    ["lone surrogates", ["\ud800", "a\udc00b", "\ud83d\ude00", "\ude00\ud83d", "\ud800\ud800"]],
    [
      "keys that JavaScript moves or refuses",
      [{ b: 1, a: 2 }, { 2: 1, 1: 2, x: 0 }, JSON.parse('{"__proto__":1}') as Value],
    ],
    [
      "the same values under other keys",
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
        { a: 1, b: 2 },
      ],
    ],
    [
      "dates",
      [
        "2026-01-31",
        "2026-02-30",
        "2026-02-28T23:59:60Z",
        "2026-01-01T00:00:00.000Z",
        "0000-01-01",
        "9999-12-31",
      ],
    ],
    [
      "dates at even times, then odd ones",
      [
        ...Array.from(
          { length: 40 },
          (_, i) => `2026-01-01T00:00:${String((i * 10) % 60).padStart(2, "0")}Z`,
        ),
        "2026-01-01T00:00:07Z",
      ],
    ],
    [
      "decimals as text",
      ["1.50", "1.5", "-0", "-0.0", "00.1", "1e5", "999999999999999.12345678", "0.00000001", ""],
    ],
    ["even numbers, then an odd one", [...Array.from({ length: 60 }, (_, i) => i * 1000), 7, 7.5]],
    [
      "decimals as text whose digits no scaled integer holds",
      ["900000000000000.5", "1.5", "-900000000000000.5"],
    ],
    [
      "microseconds in years that no scaled integer reaches",
      ["2026-01-01T00:00:00.000001Z", "2200-01-01T00:00:00.000000Z", "0001-01-01T00:00:00.000000Z"],
    ],
    ["doubles at the greatest distance there is", [Math.PI, 1.0204026857391, farthestFrom(1.0204026857391)]],
    ["more places than there may be", [Array.from({ length: 256 }, (_, i) => Array<number>(20).fill(i))]],
    ["empty containers", [{}, [], [[]], [{}], "", {}]],
    ["bytes", [Uint8Array.of(), Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3)]],
    ["long text", ["x".repeat(70_000), "y".repeat(70_000), "xy".repeat(40_000)]],
    ["types that take turns", [1, "1", true, null, 1.25, "2026-01-01", [1], { a: 1 }, 1]],
  ])("keeps %s", (_, rows) => {
    roundTrip([rows, rows, ...rows.map((row) => [row])]);
    roundTrip(rows.map((row) => [{ a: row, b: row }]));
  });

  it("takes inherited properties for none", () => {
    const row = Object.assign(Object.create({ b: 2 }) as { a?: number }, { a: 1 });
    const encoder = new ColumnCodec(LIMITS);
    const decoder = new ColumnCodec(LIMITS);
    for (const rows of [[{ a: 1, b: 2 }], [row as Value]]) {
      const [decoded] = decoder.decode(encoder.encode({ rows, conflated: 0, at: 0, spanMs: 0 })).rows;
      expect(Object.keys(decoded as object)).toEqual(Object.keys(rows[0] as object));
    }
  });

  it("takes bytes of any view, and a copy of what it is given", () => {
    const bytes = Buffer.from("0102030405", "hex").subarray(1, 4);
    const encoded = new ColumnCodec(LIMITS).encode({
      rows: [bytes],
      conflated: 0,
      at: 0,
      spanMs: 0,
    });
    const { rows } = new ColumnCodec(LIMITS).decode(encoded);
    expect(rows).toStrictEqual([Uint8Array.of(2, 3, 4)]);
  });

  it.each<[string, unknown, string]>([
    ["undefined in an object", { a: 1, b: undefined }, "unencodable"],
    ["undefined in an array", [1, undefined], "unencodable"],
    ["a hole", new Array(2), "unencodable"],
    ["undefined", undefined, "unencodable"],
    ["a bigint", 1n, "unencodable"],
    ["a function", () => 1, "unencodable"],
    ["too much text", "x".repeat(LIMITS.maxTextBytes + 1), "too-large"],
    ["too many values", new Array(LIMITS.maxValues + 1).fill(0), "too-large"],
  ])("refuses %s where it is encoded", (_, row, code) => {
    const encoder = new ColumnCodec(LIMITS);
    const batch = { rows: [row as Value], conflated: 0, at: 0, spanMs: 0 };
    expect(() => encoder.encode(batch)).toThrow(expect.objectContaining({ code, origin: "local" }));
  });

  it.each([
    [-1, 0],
    [1.4, 1],
    [NaN, 0],
    [2 ** 60, 2 ** 52],
  ])("makes a time of %d one that DATA can have", (at, coded) => {
    const bytes = new ColumnCodec(LIMITS).encode({ rows: [1], conflated: 0, at, spanMs: at });
    expect(new ColumnCodec(LIMITS).decode(bytes)).toMatchObject({ at: coded, spanMs: coded });
  });

  it("throws nothing but its own errors at damaged input", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 5 }),
        fc.array(value, { maxLength: 5 }),
        (messages, rows) => {
          const encoder = new ColumnCodec(LIMITS);
          const decoder = new ColumnCodec({ ...LIMITS, maxValues: 10_000, maxTextBytes: 10_000 });
          try {
            decoder.decode(encoder.encode({ rows, conflated: 0, at: 0, spanMs: 0 }));
            for (const message of messages) decoder.decode(message);
          } catch (error) {
            if (!(error instanceof StanzapackError)) throw error;
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { farthestFrom } from "../../../test/coded-vectors.js";
import { formatDate, parseDate } from "../numbers/iso-date.js";
import { formatNumeric, parseNumeric } from "../numbers/numeric-text.js";
import { ObjectKeys } from "../tree/object-keys.js";
import type { Node } from "../tree/node.js";
import {
  bitLength,
  findScale,
  fits,
  fromScaled,
  MAX_SCALED,
  PRINTED,
  rescale,
  SINGLE,
  toScaled,
} from "../numbers/scaled.js";

describe("scaled integers", () => {
  it("give exactly back what has a scale", () => {
    const number = fc.oneof(
      fc.double(),
      fc.float(),
      fc.integer().map((n) => n / 1_000),
      fc.maxSafeInteger(),
    );
    fc.assert(
      fc.property(number, (value) => {
        const scale = findScale(value);
        if (scale === undefined) return;
        const scaled = toScaled(value, scale.exponent);
        expect(Math.abs(scaled)).toBeLessThanOrEqual(MAX_SCALED);
        expect(fromScaled(scaled, scale.exponent, scale.kind) + 0).toBe(value);
      }),
    );
  });

  it.each([
    [5, { kind: 0, exponent: 0 }],
    [-21.45, { kind: 0, exponent: 2 }],
    [Math.fround(21.7), { kind: SINGLE, exponent: 1 }],
    [21.700001, { kind: PRINTED, exponent: 1 }],
    [0.0000001, { kind: 0, exponent: 7 }],
    [-0, undefined],
    [NaN, undefined],
    [Infinity, undefined],
    [Math.PI, undefined],
    [5e-324, undefined],
    [2 ** 53, undefined],
  ])("find the scale of %d", (value, scale) => {
    expect(findScale(value)).toEqual(scale);
  });

  it("stop at 2^52, and know their length", () => {
    expect([fits(2 ** 52, 0, 0), fits(2 ** 52 + 1, 0, 0), rescale(2 ** 50, 0, 2), rescale(25, 1, 0)]).toEqual(
      [true, false, 0, 3],
    );
    expect([0, 1, 255, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53].map(bitLength)).toEqual([
      0, 1, 8, 32, 32, 33, 54,
    ]);
  });

  it("are as far from each other as doubles can be", () => {
    expect(farthestFrom(farthestFrom(1.5))).toBe(1.5);
  });
});

describe("dates", () => {
  it("are written again as they were, or are none", () => {
    const date = fc
      .date({ min: new Date("0000-01-01"), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true })
      .chain((at) => {
        const text = at.toISOString();
        const day = text.slice(0, 10);
        return fc.constantFrom(
          ...[text, day, day.replaceAll("-", "/"), text.slice(0, 16), text.slice(0, 19).replace("T", " ")],
          ...[`${text.slice(0, 19)}+05:30`, `${text.slice(0, 19)}-0800`, `${text.slice(0, 23)}456Z`],
        );
      });
    let parsed = 0;
    fc.assert(
      fc.property(date, (text) => {
        const found = parseDate(text);
        if (found === undefined) return;
        parsed++;
        expect(formatDate(found.count, found.template)).toBe(text);
        expect(Math.abs(found.count)).toBeLessThanOrEqual(MAX_SCALED);
      }),
      { numRuns: 1_000 },
    );
    expect(parsed).toBeGreaterThan(800);
  });

  it.each([
    "2026-02-29",
    "2026-13-01",
    "2026-01-01T25:00Z",
    "2026-01/01",
    "2026-01-01T10",
    "2026-01-01Z",
    "2026-01-01T10:00:00.1234567Z",
  ])("are not %s", (text) => {
    expect(parseDate(text)).toBeUndefined();
  });
});

describe("decimals as text", () => {
  it.each(["0", "-7", "1.50", "0.00000001", "-0.05", "999999999999999"])("are %s", (text) => {
    expect(formatNumeric(parseNumeric(text) as { count: number; digits: number })).toBe(text);
  });
  it.each(["", "-", "-0", "-0.00", "01", "1.", ".5", "1e5", "+1", " 1", "1.123456789", "9007199254740993"])(
    "are not %j",
    (text) => {
      expect(parseNumeric(text)).toBeUndefined();
    },
  );
});

describe("orders of keys", () => {
  const node = {} as Node;

  it("take new keys where they stand, and hold for all that agree", () => {
    const keys = fc.uniqueArray(fc.constantFrom(..."abcdefgh"), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 12 }), (objects) => {
        const order = new ObjectKeys();
        for (const given of objects) {
          if (!order.agreeWith(given)) continue;
          for (const { at, key } of order.newOnes(given)) order.insert(at, key, node);
          const places = given.map((key) => order.keys.indexOf(key));
          expect(places).toEqual([...places].sort((a, b) => a - b));
          expect(order.agreeWith(given)).toBe(true);
          expect(new Set(order.keys).size).toBe(order.size);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("take ten thousand keys at the front without a wait", () => {
    const order = new ObjectKeys();
    const start = performance.now();
    for (let i = 0; i < 10_000; i++) order.insert(0, `k${i}`, node);
    expect(order.agreeWith(["k9999", "k0"])).toBe(true);
    // 0.1 s alone; a busy machine takes its time.
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

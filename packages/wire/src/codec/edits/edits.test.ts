import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isSame } from "../../../test/is-same.js";
import type { Value } from "../../msgpack/msgpack.js";
import { ColumnCodec, DEFAULT_CODEC_LIMITS } from "../column-codec.js";

/** Returns the bytes of each row. The rows are sent one by one and read back. */
function sizesOf(rows: readonly Value[]): number[] {
  const encoder = new ColumnCodec(DEFAULT_CODEC_LIMITS);
  const decoder = new ColumnCodec(DEFAULT_CODEC_LIMITS);
  return rows.map((row, i) => {
    const bytes = encoder.encode({ rows: [row], conflated: 0, at: i * 100, spanMs: 0 });
    const [read] = decoder.decode(bytes).rows;
    if (!isSame(read, row)) expect(read).toStrictEqual(row);
    return bytes.length;
  });
}

/** Returns the average bytes of a row in the second half, when the models have learned. */
function lateBytes(rows: readonly Value[]): number {
  const late = sizesOf(rows).slice(rows.length / 2);
  return late.reduce((sum, bytes) => sum + bytes, 0) / late.length;
}

function random(seed: number): (end: number) => number {
  return (end) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * end);
  };
}

/** Returns `count` rows. Each is a copy of the state after one more `step`. */
function rowsOf<S extends Value>(count: number, state: S, step: (state: S, i: number) => void): Value[] {
  return Array.from({ length: count }, (_, i) => {
    step(state, i);
    return structuredClone(state);
  });
}

const ROWS = 120;

describe("a large value that changes a little", () => {
  it("costs next to nothing while it stays", () => {
    const state = { list: Array.from({ length: 100 }, (_, id) => ({ id, name: `n${id % 7}` })), text: "x" };
    // A message takes at most one byte.
    expect(lateBytes(rowsOf(ROWS, state, () => undefined))).toBeLessThanOrEqual(1);
  });

  it("costs what changed, among objects in a list", () => {
    const below = random(1);
    const state = Array.from({ length: 150 }, (_, id) => ({ id, x: below(900), y: below(900), on: true }));
    const rows = rowsOf(ROWS, state, (objects) => {
      const object = objects[below(150)] as { x: number };
      object.x += below(9) - 4;
    });
    // 7.2 bits for one of 150 objects, and 3.2 for one of nine steps.
    expect(lateBytes(rows)).toBeLessThan(2.5);
  });

  it("costs what came and left, wherever that is", () => {
    const below = random(2);
    const names = Array.from({ length: 60 }, (_, i) => `name ${i}`);
    const rows = rowsOf(ROWS, names, (list) => {
      const [name] = list.splice(below(60), 1);
      list.splice(below(60), 0, name as string);
    });
    // 5.9 bits for each of two places, and the name.
    expect(lateBytes(rows)).toBeLessThan(5);
    const window = rowsOf(ROWS, [0, 0, 0, 0, 0, 0, 0, 0], (list, i) => {
      list.shift();
      list.push(i % 4);
    });
    expect(lateBytes(window)).toBeLessThan(1.2);
  });

  it("costs the key and the value, in a map of many", () => {
    const below = random(3);
    const state: Record<string, number> = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`key ${i}`, below(100)]),
    );
    const rows = rowsOf(ROWS, state, (fields, i) => {
      const key = `key ${below(300)}`;
      if (i % 10 === 0) Reflect.deleteProperty(fields, key);
      else fields[key] = below(100);
    });
    expect(lateBytes(rows)).toBeLessThan(4);
  });

  it("costs the word, in a long text", () => {
    const below = random(4);
    const words = Array.from({ length: 1_000 }, () => `w${below(500)}`);
    const rows = Array.from({ length: ROWS }, () => {
      words[below(1_000)] = `w${below(500)}`;
      return words.join(" ");
    });
    expect(lateBytes(rows)).toBeLessThan(7);
  });

  it("may grow from nothing and shrink to it", () => {
    const list: number[] = [];
    sizesOf([
      ...rowsOf(40, list, (items, i) => items.push(i * i)),
      ...rowsOf(40, list, (items) => items.shift()),
    ]);
    const map: Record<string, Value> = {};
    sizesOf([
      ...rowsOf(200, map, (fields, i) => (fields[`${i}k`] = [i, { i }])),
      ...rowsOf(200, map, (fields, i) => Reflect.deleteProperty(fields, `${i}k`)),
    ]);
  });

  it("belongs to whoever gave or got it, who may change it", () => {
    const encoder = new ColumnCodec(DEFAULT_CODEC_LIMITS);
    const decoder = new ColumnCodec(DEFAULT_CODEC_LIMITS);
    const state = {
      list: [
        { a: 1, b: [1, 2] },
        { a: 2, b: [3, 4] },
      ],
      bytes: Uint8Array.of(1, 2),
    };
    for (let i = 0; i < 20; i++) {
      (state.list[i % 2] as { a: number }).a = i;
      (state.list[0] as { b: number[] }).b[0] = i % 3;
      state.bytes[0] = i % 5;
      const [read] = decoder.decode(encoder.encode({ rows: [state], conflated: 0, at: i, spanMs: 0 })).rows;
      expect(read).toStrictEqual(state);
      const got = read as typeof state;
      got.list.reverse();
      got.bytes.fill(9);
      (got.list[0] as { b: number[] }).b.length = 0;
    }
  });

  it("comes back, whatever is done to lists and maps within", () => {
    const edit = fc.tuple(
      fc.nat(9),
      fc.nat(3),
      fc.array(fc.oneof(fc.nat(3), fc.constant("ab")), { maxLength: 3 }),
    );
    const edits = fc.array(fc.record({ list: edit, map: fc.tuple(fc.nat(12), fc.option(fc.nat(3))) }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(edits, (steps) => {
        const state = { list: ["a", 1, 2, "b", 3, 4] as Value[], map: {} as Record<string, Value> };
        for (let i = 0; i < 9; i++) state.map[`k${i}`] = i;
        const rows = steps.map(({ list: [at, removed, items], map: [key, value] }) => {
          state.list.splice(at, removed, ...items);
          // A key that is set again comes last: the order of keys changes.
          Reflect.deleteProperty(state.map, `k${key}`);
          if (value !== null) state.map[`k${key}`] = value;
          return structuredClone(state);
        });
        sizesOf(rows);
      }),
      { numRuns: 200 },
    );
  });
});

describe("a number with many digits among others with few", () => {
  const values = (outliers: readonly number[]): Value[] =>
    Array.from({ length: 300 }, (_, i) => (outliers.includes(i) ? 20.123456789 : (200 + ((i * 7) % 5)) / 10));

  it("costs its own bits, and no others", () => {
    const sum = (rows: readonly Value[]): number => sizesOf(rows).reduce((a, b) => a + b, 0);
    const without = sum(values([]));
    expect(sum(values([100])) - without).toBeLessThan(16);
    expect(sum(values([100, 150, 200])) - without).toBeLessThan(45);
  });

  it("makes the scale finer where there are many, and coarser when they are over", () => {
    const sizes = sizesOf(values(Array.from({ length: 40 }, (_, i) => 100 + i)));
    const late = sizes.slice(200).reduce((a, b) => a + b, 0);
    expect(late).toBeLessThan(120);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RowBatch, type BatchSlice } from "./row-batch.js";
import { Position } from "../session/position.js";

/** A row that contains its own position. */
const row = (position: number, size = 4): Uint8Array => {
  const bytes = new Uint8Array(Math.max(4, size));
  new DataView(bytes.buffer).setUint32(0, position);
  return bytes;
};
const positionOf = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);

type Fate = "row" | "conflated" | "lost";

/** Returns the fate of each position, as a receiver at position `before` sees the slices. */
function fates(slices: readonly BatchSlice[], before: number): Map<number, Fate> {
  const told = new Map<number, Fate>();
  const position = new Position();
  position.advance({ epoch: 1, from: before, to: before, at: 0, spanMs: 0, rows: [row(before)] }, 0);
  let last = before;
  const tell = (at: number, fate: Fate): void => {
    expect(at).toBe(++last); // in order, each exactly once
    told.set(at, fate);
  };
  for (const { from, to, rows } of slices) {
    for (const event of position.advance({ epoch: 1, from, to, at: 0, spanMs: 0, rows }, 0)) {
      if (event.event === "row") {
        expect(positionOf(event.row)).toBe(event.offset);
        tell(event.offset, "row");
      } else {
        expect(event.event).not.toBe("reset");
        for (let at = event.from; at <= event.to; at++) tell(at, event.event as Fate);
      }
    }
  }
  return told;
}

const step = fc.oneof(
  fc.record({
    gap: fc.oneof({ arbitrary: fc.constant(0), weight: 4 }, fc.nat(5)),
    conflated: fc.oneof({ arbitrary: fc.constant(0), weight: 3 }, fc.nat(4)),
    sizes: fc.array(fc.integer({ min: 4, max: 40 }), { minLength: 1, maxLength: 6 }),
  }),
  fc.constant("conflate" as const),
);

describe("RowBatch", () => {
  it("makes every position a row, conflated or lost, exactly once and in order", () => {
    const bounds = fc.record({
      maxRows: fc.integer({ min: 1, max: 12 }),
      maxBytes: fc.integer({ min: 4, max: 200 }),
    });
    const sizes = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 60 }));
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 25 }), sizes, (bounds, steps, [maxRows, maxBytes]) => {
        const batch = new RowBatch(bounds);
        const neverPushed = new Set<number>();
        const jumps: number[] = [];
        let last = 10;
        for (const one of steps) {
          if (one === "conflate") {
            batch.conflate();
            continue;
          }
          if (one.gap > 0) jumps.push(last + 1);
          for (let i = 0; i < one.gap; i++) neverPushed.add(++last);
          const from = last + 1;
          last += one.conflated + one.sizes.length;
          const rows = one.sizes.map((size, i) => row(last - one.sizes.length + 1 + i, size));
          batch.push(from, last, rows, rows.map(positionOf));
          expect(batch.rows <= bounds.maxRows || batch.rows === 1).toBe(true);
          expect(batch.bytes <= bounds.maxBytes || batch.rows === 1).toBe(true);
          expect(batch.to).toBe(last);
        }
        const slices = batch.take(maxRows, maxBytes);
        expect(batch.empty && batch.rows === 0 && batch.bytes === 0).toBe(true);
        for (const slice of slices) {
          expect(slice.rows.length).toBeLessThanOrEqual(maxRows);
          const bytes = slice.rows.reduce((sum, one) => sum + one.length, 0);
          expect(bytes <= maxBytes || slice.rows.length === 1).toBe(true);
          expect([slice.firstAt, slice.lastAt]).toEqual([
            positionOf(slice.rows[0] as Uint8Array),
            positionOf(slice.rows[slice.rows.length - 1] as Uint8Array),
          ]);
        }
        const told = fates(slices, 10);
        // No position is left out silently, and no loss shows as conflated.
        for (let at = 11; at <= last; at++) expect(told.has(at)).toBe(true);
        for (const at of neverPushed) expect(told.get(at)).toBe("lost");
        // Further losses are rows that were dropped before a jump.
        const lastJump = Math.max(0, ...jumps);
        for (const [at, fate] of told)
          if (fate === "lost") expect(neverPushed.has(at) || at < lastJump).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("joins what follows on, and splits by rows and bytes", () => {
    const batch = new RowBatch({ maxRows: 10, maxBytes: 1_000 });
    for (let at = 1; at <= 5; at++) batch.push(at, at, [row(at)], [at * 10]);
    expect(batch.slices(2, 100).map(({ from, to }) => [from, to])).toEqual([
      [1, 2],
      [3, 4],
      [5, 5],
    ]);
    expect(batch.slices(10, 8).map(({ from, to }) => [from, to])).toEqual([
      [1, 2],
      [3, 4],
      [5, 5],
    ]);
    expect(batch.slices(10, 1).length).toBe(5);
    expect(batch.take(10, 100)).toMatchObject([{ from: 1, to: 5, firstAt: 10, lastAt: 50 }]);
  });

  it("keeps conflated positions in the range of the rows that follow them", () => {
    const batch = new RowBatch({ maxRows: 2, maxBytes: 1_000 });
    for (let at = 1; at <= 5; at++) batch.push(at, at, [row(at)], [at]);
    expect(batch.take(10, 1_000)).toMatchObject([{ from: 1, to: 5, rows: [row(4), row(5)] }]);
    batch.push(6, 9, [row(9)], [9]);
    batch.push(10, 12, [row(12)], [12]);
    expect(batch.take(10, 1_000).map(({ from, to }) => [from, to])).toEqual([
      [6, 9],
      [10, 12],
    ]);
  });

  it("conflates to the newest row, but keeps a loss a loss", () => {
    const batch = new RowBatch({ maxRows: 100, maxBytes: 1_000 });
    batch.push(1, 3, [row(2), row(3)], [2, 3]);
    batch.push(4, 4, [row(4)], [4]);
    batch.push(8, 9, [row(8), row(9)], [8, 9]);
    batch.conflate();
    expect(batch.rows).toBe(2);
    expect(batch.take(10, 1_000).map(({ from, to, rows }) => [from, to, ...rows.map(positionOf)])).toEqual([
      [1, 4, 4],
      [8, 9, 9],
    ]);
  });

  it("keeps one row however large it is, and never loops on a limit of none", () => {
    const batch = new RowBatch({ maxRows: 0, maxBytes: 0 });
    batch.push(1, 1, [row(1, 500)], [1]);
    batch.push(2, 2, [row(2, 500)], [2]);
    expect(batch.take(0, 0)).toMatchObject([{ from: 1, to: 2, rows: [row(2, 500)] }]);
  });

  it("refuses rows that cannot stand for their range", () => {
    const batch = new RowBatch({ maxRows: 10, maxBytes: 10 });
    expect(() => batch.push(1, 1, [], [])).toThrow("0 rows cannot stand for 1..1");
    expect(() => batch.push(1, 1, [row(1), row(2)], [1, 2])).toThrow("2 rows");
    expect(() => batch.push(1, 2, [row(1), row(2)], [1])).toThrow("2 rows");
  });
});

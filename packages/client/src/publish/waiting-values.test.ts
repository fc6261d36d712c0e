import { describe, expect, it } from "vitest";
import { WaitingValues } from "./waiting-values.js";

const row = (byte: number): Uint8Array => Uint8Array.of(byte);

/** Takes everything that waits, as sequences and the first bytes of the rows. */
function takeAll(values: WaitingValues): { from: number; to: number; rows: number[] }[] {
  return values
    .take(1_000, 1_000)
    .map(({ from, to, rows }) => ({ from, to, rows: rows.map(([byte]) => byte as number) }));
}

describe("the updates of a value that wait", () => {
  it("are those with demand, and leave once", () => {
    const values = new WaitingValues();
    values.push(1, row(1), 10, false);
    expect([values.empty, values.bytes]).toEqual([true, 0]);
    values.push(2, row(2), 20, true);
    values.push(3, row(3), 30, true);
    expect([values.empty, values.bytes]).toEqual([false, 2]);
    expect(takeAll(values)).toEqual([{ from: 2, to: 3, rows: [2, 3] }]);
    expect([values.empty, takeAll(values)]).toEqual([true, []]);
  });

  it("are the newest alone after conflation, which stands for all", () => {
    const values = new WaitingValues();
    for (const n of [1, 2, 3]) values.push(n, row(n), n, true);
    values.conflate();
    expect(takeAll(values)).toEqual([{ from: 1, to: 3, rows: [3] }]);
  });

  it("get the newest value again on request, unless updates wait or none was published", () => {
    const values = new WaitingValues();
    values.pushNewest(1, 1);
    expect(values.empty).toBe(true);
    for (const n of [1, 2]) values.push(n, row(n), n, false);
    values.pushNewest(1, 2);
    values.pushNewest(1, 2);
    expect(takeAll(values)).toEqual([{ from: 1, to: 2, rows: [2] }]);
    values.push(3, row(3), 3, true);
    values.clear();
    expect(values.empty).toBe(true);
    values.pushNewest(3, 3);
    expect(takeAll(values)).toEqual([{ from: 3, to: 3, rows: [3] }]);
  });
});

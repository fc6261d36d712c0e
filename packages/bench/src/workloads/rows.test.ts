import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { HAND_DELTAS } from "./large-states.js";
import { createRows, LARGE_ROW_SETS, ROW_SETS, type LargeRowSetId, type RowSetId } from "./rows.js";

/** The prototype's rows: their number, and the beginning of the SHA-256 of their JSON. */
const RECORDED: Record<Exclude<RowSetId, LargeRowSetId>, readonly [count: number, hash: string]> = {
  int: [600, "ac331be7d2abcb19"],
  float2: [600, "0e5c22d2b35d66be"],
  obj: [600, "db6be4d540060951"],
  multi50: [600, "fbacf25e6eb9abb8"],
  pos30: [600, "fc9b7da29f5e5a47"],
  log1000: [200, "b309192e6f300bee"],
  chat: [500, "58ec2190d6cce643"],
  dbl: [600, "4d53fccea9bc5b2b"],
  acc: [600, "f40518398628aa80"],
  f32dec: [600, "0d5c74db4d35c1bf"],
  seattle: [1_461, "0d90212f988e01a1"],
  normals: [2_000, "cf99c15d4bd3d71b"],
  wind: [2_000, "c142c07f829122f1"],
  stocks: [560, "27faa5d4800d6935"],
  sp500: [2_000, "3a0584bd55df933e"],
  birds: [1_500, "6a6ced91d914a7e7"],
  weather: [2_000, "87964167b4371b31"],
  usemp: [120, "d3b4caae5a2f7e80"],
  quakes: [1_000, "16d0e025bb41d498"],
  flights: [2_000, "41de5f0e4177ae3a"],
  gap: [682, "823024706bfa9025"],
  movies: [1_000, "2e388a171013ba7f"],
};

test.each(ROW_SETS)("%s has the prototype's rows, number by number", (id) => {
  const rows = createRows(id);
  const hash = createHash("sha256").update(JSON.stringify(rows)).digest("hex");
  expect([rows.length, hash.slice(0, 16)]).toEqual(RECORDED[id as keyof typeof RECORDED]);
});

/** Number of parts of a value that differ from the value before. */
function countChanges(before: unknown, now: unknown): number {
  if (typeof now !== "object" || typeof before !== "object" || now === null || before === null)
    return Object.is(before, now) ? 0 : 1;
  const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
  let changes = 0;
  for (const key of keys)
    changes += countChanges((before as Record<string, unknown>)[key], (now as Record<string, unknown>)[key]);
  return changes;
}

test.each(LARGE_ROW_SETS)("%s changes a little, and a delta by hand is small", (id) => {
  const rows = createRows(id);
  expect(rows.length).toBeGreaterThanOrEqual(500);
  expect(createRows(id)).toEqual(rows);
  if (id === "state200" || id === "dict500")
    for (const [i, row] of rows.slice(1).entries()) expect(countChanges(rows[i], row)).toBeLessThan(5);
  const { bits, bytes } = HAND_DELTAS[id];
  expect(bytes).toBe(Math.ceil(bits / 8));
  expect(bytes).toBeLessThan(JSON.stringify(rows[0]).length / 50);
});

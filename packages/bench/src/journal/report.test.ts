import { expect, it } from "vitest";
import { formatJournalReport } from "./report.js";
import type { JournalRow } from "./rows.js";
import { judgeJournal } from "./targets.js";

const NOTHING = {
  ...{ appendsPerSecond: null, p99Ms: null, bytesPerAppend: null, keptBytesPerUpdate: null },
  ...{ entries: null, stop: null, restartMs: null, openMs: null },
};
const row = (fields: Partial<JournalRow>): JournalRow => ({
  ...{ store: "lmdb", durability: "interval", writers: 1, ...NOTHING },
  ...fields,
});

it("judges the worst row of each target, and writes what is missed first", () => {
  const rows = [
    row({ appendsPerSecond: 60_000, p99Ms: 0.01, bytesPerAppend: 200, keptBytesPerUpdate: 140 }),
    row({ appendsPerSecond: 40_000, writers: 100 }),
    row({ durability: "sync", appendsPerSecond: 900 }),
    row({ durability: "sync", writers: 100, appendsPerSecond: 9_000 }),
    row({ entries: 990_000, stop: "killed", restartMs: 1_900, openMs: 500 }),
    row({ entries: 1_000_000, stop: "clean", restartMs: 900, openMs: 300 }),
    // Memory stores nothing, and few updates show nothing.
    row({ store: "memory", durability: "none", appendsPerSecond: 10 }),
    row({ entries: 1_000, stop: "clean", restartMs: 9_000 }),
  ];
  expect(judgeJournal(rows).map(({ met }) => met)).toEqual([false, true, true]);
  const report = formatJournalReport(rows);
  expect(report).toMatch(/^✗ with interval, at least 50,000 appends a second: 40,000\n✓/);
  expect(report).toMatch(/│ lmdb +│ interval +│ +1 │ +60,000 │ +0.010 │ +200 │ +140 │/);
});

it("says what was not measured", () => {
  expect(judgeJournal([row({ durability: "sync", appendsPerSecond: 5_000 })]).map(({ met }) => met)).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(formatJournalReport([])).toBe("Nothing was measured.");
});

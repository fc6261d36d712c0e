import type { JournalRow } from "./rows.js";
import type { Verdict } from "../measure/verdict.js";

const INTERVAL_APPENDS = 50_000;
const SYNC_APPENDS = 2_000;
const SYNC_WRITERS = 100;
const ENTRIES = 1_000_000;
const RESTART_MS = 2_000;

/** Judges the worst row of each target. */
export function judgeJournal(rows: readonly JournalRow[]): Verdict[] {
  const appends = (durability: string, writers?: number): number | undefined =>
    least(
      rows
        .filter((row) => row.store === "lmdb" && row.durability === durability)
        .filter((row) => writers === undefined || row.writers === writers)
        .flatMap((row) => row.appendsPerSecond ?? []),
    );
  const restarts = rows
    .filter((row) => (row.entries ?? 0) >= ENTRIES * 0.9)
    .flatMap((row) => row.restartMs ?? []);
  const restartMs = restarts.length === 0 ? undefined : Math.max(...restarts);
  return [
    judge(
      `with interval, at least ${count(INTERVAL_APPENDS)} appends a second`,
      appends("interval"),
      (it) => it >= INTERVAL_APPENDS,
    ),
    judge(
      `with sync, at least ${count(SYNC_APPENDS)} acknowledged appends a second over ${SYNC_WRITERS} services`,
      appends("sync", SYNC_WRITERS),
      (it) => it >= SYNC_APPENDS,
    ),
    judge(
      `with a million updates, a restart reads for its first subscriber within ${count(RESTART_MS)} ms`,
      restartMs,
      (it) => it <= RESTART_MS,
    ),
  ];
}

function judge(text: string, measured: number | undefined, meets: (measured: number) => boolean): Verdict {
  return {
    text: `${text}: ${measured === undefined ? "not measured" : count(measured)}`,
    met: measured === undefined ? undefined : meets(measured),
  };
}

function least(numbers: readonly number[]): number | undefined {
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}

function count(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}

import Table from "cli-table3";
import { formatBytes, formatCount } from "../demo/format.js";
import { formatTargets } from "../measure/verdict.js";
import type { JournalRow } from "./rows.js";
import { judgeJournal } from "./targets.js";

const PLAIN = { head: [], border: [], compact: true };

/** The report: the targets, those that are not met first, then all rows. */
export function formatJournalReport(rows: readonly JournalRow[]): string {
  if (rows.length === 0) return "Nothing was measured.";
  const appends = rows.filter(({ appendsPerSecond }) => appendsPerSecond !== null);
  const restarts = rows.filter(({ restartMs }) => restartMs !== null);
  return [
    ...formatTargets(judgeJournal(rows)),
    ...(appends.length === 0 ? [] : ["", formatAppends(appends)]),
    ...(appends.length === 0
      ? []
      : ["written: bytes to the disk for each append. kept: bytes that an update takes in the store."]),
    ...(restarts.length === 0 ? [] : ["", formatRestarts(restarts)]),
    ...(restarts.length === 0
      ? []
      : ["restart: from the start of the process to the first read. open: the part that opens the store."]),
  ].join("\n");
}

function formatAppends(rows: readonly JournalRow[]): string {
  const head = ["store", "durability", "writers", "appends/s", "p99 ms", "written", "kept"];
  const table = new Table({ head, style: PLAIN, colAligns: ["left", "left", ...RIGHT] });
  for (const {
    store,
    durability,
    writers,
    appendsPerSecond,
    p99Ms,
    bytesPerAppend,
    keptBytesPerUpdate,
  } of rows)
    table.push([
      ...[store, durability, formatCount(writers), formatCount(appendsPerSecond ?? 0)],
      ...[p99Ms === null ? "" : p99Ms.toFixed(3), bytes(bytesPerAppend), bytes(keptBytesPerUpdate)],
    ]);
  return table.toString();
}

function formatRestarts(rows: readonly JournalRow[]): string {
  const table = new Table({
    head: ["store", "updates", "logs", "stop", "restart ms", "open ms"],
    style: PLAIN,
    colAligns: ["left", "right", "right", "left", "right", "right"],
  });
  for (const { store, entries, writers, stop, restartMs, openMs } of rows)
    table.push([
      ...[store, formatCount(entries ?? 0), formatCount(writers), stop ?? ""],
      ...[formatCount(restartMs ?? 0), formatCount(openMs ?? 0)],
    ]);
  return table.toString();
}

const RIGHT = ["right", "right", "right", "right", "right"] as const;

function bytes(number: number | null): string {
  return number === null ? "" : number < 1_000 ? formatBytes(number) : formatCount(number);
}

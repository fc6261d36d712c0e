import Table from "cli-table3";
import { formatCount } from "../demo/format.js";
import type { ComponentRow } from "./slopes.js";

/** Largest cost of each further stanza, in µs of processor time, and of each further subscriber, in bytes of heap. */
export const MOST_CPU_US = 3;
export const MOST_HEAP_BYTES = 4_096;

/** The report: the rows, and whether the slopes are within their limits. */
export function formatComponentReport(rows: readonly ComponentRow[]): string {
  const table = new Table({
    head: [
      ...["subscribers", "accounts", "stanzas/s", "CPU µs a stanza"],
      ...["heap B a subscriber", "RSS B a subscriber"],
    ],
    colAligns: ["right", "right", "right", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows)
    table.push([
      row.slope ? "slope" : count(row.subscribers),
      count(row.accounts),
      count(row.stanzasPerSecond),
      row.cpuUsPerStanza === null ? "–" : row.cpuUsPerStanza.toFixed(2),
      count(row.heapBytesPerSubscriber),
      count(row.rssBytesPerSubscriber),
    ]);
  return [table.toString(), ...judge(rows.find(({ slope }) => slope))].join("\n");
}

function judge(slopes: ComponentRow | undefined): string[] {
  const { cpuUsPerStanza: cpu = null, heapBytesPerSubscriber: heap = null } = slopes ?? {};
  return [
    `${sign(cpu, MOST_CPU_US)} one stanza more costs at most ${MOST_CPU_US} µs: ${cpu?.toFixed(2) ?? "not measured"}`,
    `${sign(heap, MOST_HEAP_BYTES)} one subscriber more takes at most ${formatCount(MOST_HEAP_BYTES)} bytes of heap: ${heap === null ? "not measured" : formatCount(heap)}`,
  ];
}

function sign(value: number | null, most: number): string {
  return value === null ? "–" : value <= most ? "✓" : "✗";
}

function count(value: number | null): string {
  return value === null ? "" : formatCount(value);
}

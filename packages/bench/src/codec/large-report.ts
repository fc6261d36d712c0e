import Table from "cli-table3";
import { HAND_DELTAS, type HandDelta } from "../workloads/large-states.js";
import { isLarge } from "../workloads/rows.js";
import type { CodecRow } from "./rows.js";

/** Largest payload, as a multiple of a delta made by hand, with one update in a stanza. */
const MOST_OVER_HAND = 2;

/** Compares large values that change a little with deltas made by hand. Empty if none was measured. */
export function formatLargeValues(rows: readonly CodecRow[]): string[] {
  const own = rows.filter(({ workload }) => isLarge(workload));
  if (own.length === 0) return [];
  const table = new Table({
    head: [
      "workload",
      "a stanza",
      "payload",
      "by hand",
      "zlib ÷ JSON",
      "enc µs",
      "JSON enc",
      "counted by hand",
    ],
    colAligns: ["left", "right", "right", "right", "right", "right", "right", "left"],
    style: { head: [], border: [], compact: true },
  });
  for (const row of own) table.push(formatRow(row, handOf(row.workload)));
  return [
    "",
    "Large values that change a little: payload in bytes per update, and the size of a delta made by hand, in whole bytes.",
    table.toString(),
  ];
}

function formatRow(row: CodecRow, hand: HandDelta): string[] {
  const { payloadBytesPerUpdate: payload } = row;
  const met = payload <= hand.bytes * MOST_OVER_HAND ? "✓" : "✗";
  return [
    row.workload,
    String(row.batch),
    row.batch === 1 ? `${payload.toFixed(2)} ${met}` : payload.toFixed(2),
    `${hand.bytes} (${hand.bits.toFixed(1)} bits)`,
    (row.frameZlibBytesPerUpdate / row.rivalZlibBytesPerUpdate).toFixed(2),
    row.encodeUsPerUpdate.toFixed(0),
    row.jsonDeflateUsPerUpdate.toFixed(0),
    hand.countedAs,
  ];
}

function handOf(workload: CodecRow["workload"]): HandDelta {
  return HAND_DELTAS[workload as keyof typeof HAND_DELTAS];
}

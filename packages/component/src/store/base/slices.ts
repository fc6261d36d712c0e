import type { BatchSlice } from "@stanzapack/wire";
import { wallAheadMs } from "@stanzapack/xmpp";
import type { JournalRow } from "./entries.js";

/**
 * Takes rows into a slice, up to the first hole or the bounds. `offset`: where the reader wants to begin. Returns
 * undefined if there is no row.
 */
export function sliceOf(
  rows: Iterable<JournalRow>,
  offset: number,
  maxRows: number,
  maxBytes: number,
): BatchSlice | undefined {
  const taken: JournalRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    const last = taken.at(-1);
    bytes += row.row.length;
    if (last !== undefined && (row.from !== last.offset + 1 || row.from !== row.offset || bytes > maxBytes))
      break;
    taken.push(row);
    if (taken.length >= maxRows) break;
  }
  const [first, last] = [taken[0], taken.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const ahead = wallAheadMs();
  return {
    from: Math.max(first.from, Math.min(offset, first.offset)),
    to: last.offset,
    rows: taken.map(({ row }) => row),
    firstAt: first.at - ahead,
    lastAt: last.at - ahead,
  };
}

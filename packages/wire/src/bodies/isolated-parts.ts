import type { BatchSlice } from "./row-batch.js";

/**
 * Rows of at least so many bytes of msgpack travel in a body of their own. 128: there the columnar codec, which knows nothing of other
 * rows, saves more than another header of about 18 bytes costs. Smaller ones travel together, as they are.
 */
const MIN_ALONE_BYTES = 128;

/**
 * The bodies of a service whose updates must not be coded by one another (`compression` `isolated`): one for each large row, one for
 * each run of small ones. A row's own size decides, and nothing else, so the sizes of bodies tell nothing of one row to the author of
 * another. Rows in between are taken as evenly spaced, as receivers take them.
 */
export function isolatedParts(slice: BatchSlice): BatchSlice[] {
  const { from, to, rows, firstAt, lastAt } = slice;
  const first = to - rows.length + 1;
  const step = rows.length > 1 ? (lastAt - firstAt) / (rows.length - 1) : 0;
  const parts: BatchSlice[] = [];
  let start = 0;
  for (let end = 1; end <= rows.length; end++) {
    if (end < rows.length && !isLarge(rows[end - 1]) && !isLarge(rows[end])) continue;
    parts.push({
      // What was conflated lies in front of the oldest row.
      from: start === 0 ? from : first + start,
      to: first + end - 1,
      rows: rows.slice(start, end),
      firstAt: firstAt + step * start,
      lastAt: end === rows.length ? lastAt : firstAt + step * (end - 1),
    });
    start = end;
  }
  return parts;
}

function isLarge(row: Uint8Array | undefined): boolean {
  return row !== undefined && row.length >= MIN_ALONE_BYTES;
}

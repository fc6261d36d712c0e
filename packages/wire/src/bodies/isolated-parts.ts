import type { BatchSlice } from "./row-batch.js";

/**
 * Rows of at least this many bytes of msgpack travel in a body of their own. Smaller rows travel together, as rows.
 * 128: from there on, the columnar codec saves more than a further header of about 18 bytes costs, even without other
 * rows.
 */
const MIN_ALONE_BYTES = 128;

/**
 * Splits a batch of a service whose updates must not be coded by one another (`compression` `isolated`). Each large row
 * has a body of its own, and so has each run of small rows. Only a row's own size decides that. So the sizes of bodies
 * tell the author of one row nothing about another row. Rows between the first and the last are taken as evenly spaced,
 * as receivers take them.
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
      // Conflated positions lie before the oldest row.
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

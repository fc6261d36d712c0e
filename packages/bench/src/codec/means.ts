import type { CodecRow } from "./rows.js";

const MEANT = [
  ...(["payloadBytesPerUpdate", "frameBytesPerUpdate", "rivalBytesPerUpdate"] as const),
  ...(["frameZlibBytesPerUpdate", "rivalZlibBytesPerUpdate", "brotliBytesPerUpdate"] as const),
  ...(["encodeUsPerUpdate", "decodeUsPerUpdate"] as const),
  ...(["jsonDeflateUsPerUpdate", "jsonInflateUsPerUpdate"] as const),
];

/**
 * One row for each batch, with the geometric means over the workloads. The quotient of two of its columns is the mean
 * of the workloads' quotients.
 */
export function meanRows(rows: readonly CodecRow[]): CodecRow[] {
  return groups(rows).map((group) => {
    const first = group[0] as CodecRow;
    const means = Object.fromEntries(MEANT.map((column) => [column, mean(group.map((row) => row[column]))]));
    const xz = group.flatMap(({ xzBytesPerUpdate }) => xzBytesPerUpdate ?? []);
    return {
      ...first,
      ...means,
      workload: "geomean",
      xzBytesPerUpdate: xz.length < group.length ? null : mean(xz),
      envelope: null,
      keyframes: null,
      numericFields: null,
      memoryBytes: null,
    };
  });
}

/** Rows grouped by batch, in the order of first appearance. */
export function groups(rows: readonly CodecRow[]): CodecRow[][] {
  const found = new Map<number, CodecRow[]>();
  for (const row of rows) {
    const group = found.get(row.batch);
    if (group === undefined) found.set(row.batch, [row]);
    else group.push(row);
  }
  return [...found.values()];
}

function mean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

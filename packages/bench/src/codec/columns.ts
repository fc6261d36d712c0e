import type { Value } from "@stanzapack/wire";

export type Leaf = Exclude<Value, readonly Value[] | { readonly [key: string]: Value }>;

/** The leaves of each place in the rows, in the order of first appearance. Undefined if a row has no leaf there. */
export function columnsOf(rows: readonly Value[]): ReadonlyMap<string, readonly (Leaf | undefined)[]> {
  const columns = new Map<string, (Leaf | undefined)[]>();
  for (const [index, row] of rows.entries())
    for (const [path, leaf] of leavesOf(row, "")) {
      let column = columns.get(path);
      if (column === undefined) {
        column = new Array<Leaf | undefined>(rows.length).fill(undefined);
        columns.set(path, column);
      }
      column[index] = leaf;
    }
  return columns;
}

export function countNumericFields(rows: readonly Value[]): number {
  const columns = [...columnsOf(rows).values()];
  return columns.filter((column) => column.some((leaf) => typeof leaf === "number")).length;
}

function* leavesOf(value: Value, path: string): Generator<readonly [path: string, leaf: Leaf]> {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) {
    yield [path, value];
    return;
  }
  for (const [key, child] of Object.entries<Value>(value)) yield* leavesOf(child, `${path}/${key}`);
}

/** Deep equality with `Object.is` at the leaves, and key order. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => isSame(item, b[i]));
  if (typeof a === "object" && typeof b === "object" && a !== null && b !== null) {
    const [left, right] = [Object.entries(a), Object.entries(b)];
    return (
      left.length === right.length &&
      left.every(([key, item], i) => key === right[i]?.[0] && isSame(item, right[i]?.[1]))
    );
  }
  return Object.is(a, b);
}

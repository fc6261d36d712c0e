/**
 * The value of update `n`. It is small, but neither constant nor guessable, so that damaged or mixed-up values show.
 */
export function makeValue(
  seed: number,
  n: number,
): { readonly n: number; readonly load: number; readonly text: string } {
  const hash = mix(seed, n);
  return { n, load: (hash % 10_000) / 100, text: `job ${mix(hash, n).toString(36)}` };
}

/** The number of a published value. Undefined if the value was never published. */
export function numberOf(seed: number, value: unknown): number | undefined {
  if (typeof value !== "object" || value === null || !("n" in value) || typeof value.n !== "number")
    return undefined;
  const expected: Readonly<Record<string, unknown>> = makeValue(seed, value.n);
  const entries = Object.entries(value);
  const isSame = entries.length === 3 && entries.every(([key, part]) => part === expected[key]);
  return isSame ? value.n : undefined;
}

/** One seed of 32 bits from several numbers (the finalizer of MurmurHash3 over each). */
export function mix(...parts: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const part of parts) {
    hash ^= part;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash >>> 0;
}

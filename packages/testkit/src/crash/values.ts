/** What is published as number `n`: small, but neither constant nor guessable, so that what is garbled or mixed up shows. */
export function makeValue(
  seed: number,
  n: number,
): { readonly n: number; readonly load: number; readonly text: string } {
  const hash = mix(seed, n);
  return { n, load: (hash % 10_000) / 100, text: `job ${mix(hash, n).toString(36)}` };
}

/** The number of what was published, or undefined when it is nothing that was. */
export function numberOf(seed: number, value: unknown): number | undefined {
  if (typeof value !== "object" || value === null || !("n" in value) || typeof value.n !== "number")
    return undefined;
  const expected: Readonly<Record<string, unknown>> = makeValue(seed, value.n);
  const entries = Object.entries(value);
  const isSame = entries.length === 3 && entries.every(([key, part]) => part === expected[key]);
  return isSame ? value.n : undefined;
}

/** One seed from several numbers, 32 bits (the finalizer of MurmurHash3 over each). */
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

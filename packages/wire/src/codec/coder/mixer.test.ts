import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { BitCoder } from "./bit-coder.js";
import { SQUASHED, STRETCHED } from "./mixer.js";

/** Returns the bytes that `bits` bits take in a mixture of three contexts. `idOf`: the situation of each context. */
function mixedBytes(
  bits: number,
  bitOf: (i: number) => number,
  idOf: (i: number, input: number) => number,
): number {
  const coder = new BitCoder(1 << 12);
  const { contexts } = coder;
  coder.beginEncoding();
  for (let i = 0; i < bits; i++) {
    contexts.growIfCrowded();
    coder.bitIn(bitOf(i), 1, 0, 0, idOf(i, 0), 1, idOf(i, 1), 2, idOf(i, 2));
  }
  return coder.finish().length;
}

describe("the mixer", () => {
  it("has tables of integers, the same everywhere", () => {
    const hash = createHash("sha256");
    for (const table of [SQUASHED, STRETCHED]) hash.update(Buffer.from(Array.from(table).join(" ")));
    expect(hash.digest("hex").slice(0, 16)).toBe("a6196ca878f5ebba");
    expect([SQUASHED[0], SQUASHED[1], SQUASHED[2_048], SQUASHED[4_095]]).toEqual([20, 22, 32_768, 65_514]);
    expect(STRETCHED[1]).toBeGreaterThanOrEqual(-2_047);
    expect(STRETCHED[4_095]).toBe(2_047);
  });

  it("has scales that are each other's inverse", () => {
    for (let coarse = 8; coarse < 4_088; coarse++) {
      const chance = SQUASHED[(STRETCHED[coarse] as number) + 2_048] as number;
      expect(Math.abs(chance - (coarse * 16 + 8))).toBeLessThanOrEqual(
        9 + 0.004 * Math.min(chance, 65_536 - chance),
      );
    }
  });

  it("listens to who is right", () => {
    const random = (i: number): number => (Math.imul(i, 0x9e3779b1) >>> 7) & 1;
    // One of the three contexts predicts the bit. The others see only noise.
    const known = (i: number, input: number): number =>
      input === 1 ? random(i) : random(i * 31 + input) + 2;
    expect(mixedBytes(8_000, random, known)).toBeLessThan(20);
    expect(mixedBytes(8_000, random, () => 0)).toBeGreaterThan(990);
  });

  it("asks no other where the first context is sure", () => {
    const coder = new BitCoder(256);
    coder.beginEncoding();
    const code = (i: number): number => coder.bitIn(1, 1, 0, 0, 0, 1, i, 2, i);
    for (let i = 0; i < 16; i++) code(i % 4);
    const { bytes } = coder.contexts;
    // If the other contexts were looked up, the table would grow.
    for (let i = 0; i < 1_000; i++) code(100 + i);
    coder.contexts.growIfCrowded();
    expect(coder.contexts.bytes).toBe(bytes);
  });

  it("stays within 32 bits, whatever it is taught", () => {
    // Two of the three contexts predict the bit, and the first is always new. The weights of the two grow to their
    // bound.
    expect(
      mixedBytes(
        100_000,
        (i) => i & 1,
        (i, input) => (input === 0 ? i : i & 1),
      ),
    ).toBeLessThan(20);
  });
});

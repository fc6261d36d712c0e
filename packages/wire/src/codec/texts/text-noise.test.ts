import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isNoise } from "./text-noise.js";

const ENGLISH =
  "The quick brown fox jumps over the lazy dog, and then it goes home to sleep under the old tree. In the morning " +
  "the dog looks for the fox again, but there is nothing left of it other than a few hairs and the smell of the night.";
const of = (text: string): [Uint8Array, number] => [Buffer.from(text), Buffer.byteLength(text)];
/** Returns the share of 200 texts that are noise. */
const share = (make: () => [Uint8Array, number]): number =>
  Array.from({ length: 200 }, () => isNoise(...make())).filter(Boolean).length / 200;

describe("isNoise", () => {
  it("knows what is random, as bytes, in base64, and skewed", () => {
    for (const size of [100, 1_000, 10_000]) {
      expect(share(() => [randomBytes(size), size])).toBeGreaterThan(0.8);
      expect(share(() => of(randomBytes(size).toString("base64")))).toBeGreaterThan(0.8);
    }
    const skewed = (): number => Math.floor(Math.random() ** 2 * 256);
    expect(share(() => [Uint8Array.from({ length: 1_000 }, skewed), 1_000])).toBeGreaterThan(0.8);
  });

  it("takes no text, no list of numbers and no picture for it", () => {
    for (let length = 64; length <= ENGLISH.length; length++)
      expect(isNoise(...of(ENGLISH.slice(0, length))), `${length}`).toBe(false);
    const list = (): string => Array.from({ length: 100 }, () => (Math.random() * 100).toFixed(1)).join(",");
    expect(share(() => of(list()))).toBeLessThan(0.05);
    const slope = Uint8Array.from({ length: 1_000 }, (_, i) => 128 + 100 * Math.sin(i / 50));
    expect(isNoise(slope, 1_000)).toBe(false);
    expect(isNoise(new Uint8Array(1_000), 1_000)).toBe(false);
    const id = (): string => `{"id":"${crypto.randomUUID()}","name":"${crypto.randomUUID()}"}`;
    expect(share(() => of(id()))).toBeLessThan(0.05);
  });

  it("looks at no more than its first kilobyte, and leaves nothing behind", () => {
    let seed = 1;
    const next = (): number => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0) >>> 24;
    const noise = Uint8Array.from({ length: 4_000 }, next).fill(0, 1_024);
    expect([noise, noise].map((bytes) => isNoise(bytes, 4_000))).toEqual([true, true]);
    expect(isNoise(noise.fill(0, 512), 4_000)).toBe(false);
  });
});

import { DEFAULT_CODEC_LIMITS, type CodecLimits } from "../src/index.js";
import type { Vector } from "./vectors.js";

// What the vectors of both kinds of coded frames are made with.

/** A vector whose bytes this package's encoder makes; others may make other bytes of the same meaning. */
export interface MadeVector {
  readonly kind: "valid" | "invalid";
  readonly vector: Vector;
}

export const EPOCH = 3_735_928_559;
export const CHAIN = 305_419_896;

/** What a hostile encoder would have. */
export const BOUNDLESS: CodecLimits = { ...DEFAULT_CODEC_LIMITS, maxRows: 1e6, maxValues: 1e7 };

/** Returns a generator of numbers from 0 to below 1, which are the same for the same seed. */
export function noise(seed: number): () => number {
  return () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

export function list<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** Divides the items into parts of this size. */
export function split<T>(items: readonly T[], size: number): T[][] {
  return list(Math.ceil(items.length / size), (i) => items.slice(i * size, i * size + size));
}

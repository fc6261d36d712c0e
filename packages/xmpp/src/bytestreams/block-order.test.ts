import { describe, expect, it } from "vitest";
import { BlockOrder } from "./block-order.js";

function after(count: number): BlockOrder {
  const order = new BlockOrder();
  for (let i = 0; i < count; i++) order.advance();
  return order;
}

describe("the order of blocks", () => {
  it.each([
    [0, 0, "next"],
    [0, 1, "missing"],
    // Before the first block, 65535 is no repetition.
    [0, 65_535, "missing"],
    [3, 2, "repeated"],
    [3, 0, "repeated"],
    [3, 65_535, "missing"],
    [65_536, 0, "next"],
    [65_536, 65_535, "repeated"],
    [65_540, 4, "next"],
    [40_000, 40_000 - 32_768, "repeated"],
    [40_000, 40_000 - 32_769, "missing"],
  ] as const)("after %d blocks, %d is %s", (count, seq, turn) => {
    expect(after(count).turnOf(seq)).toBe(turn);
  });

  it.each([
    [0, 0, 0],
    [0, 2_047, 2_047],
    // 2,048 could be ahead or behind. It counts as behind, so that a gap of 2,048 blocks is never accepted as ahead.
    [0, 2_048, 65_536 - 2_048],
    [0, 4_095, 65_535],
    [5_000, 5_000 & 4_095, 5_000],
    [5_000, 4_999 & 4_095, 4_999],
    [5_000, 7_047 & 4_095, 7_047],
    [5_000, 7_048 & 4_095, 7_048 - 4_096],
    [65_535, 0, 0],
    [65_536, 4_095, 65_535],
  ])("after %d blocks, the low bits %d mean %d", (count, low, seq) => {
    expect(after(count).nearest(low)).toBe(seq);
  });
});

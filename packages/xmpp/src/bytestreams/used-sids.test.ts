import { describe, expect, it } from "vitest";
import { createUsedSids } from "./used-sids.js";

describe("used sids", () => {
  it("are remembered for a while", () => {
    const used = createUsedSids(100, 10);
    used.add("a", 0);
    used.add("b", 50);
    used.add("a", 60);
    expect([used.has("a", 149), used.has("b", 149)]).toEqual([true, true]);
    expect([used.has("a", 159), used.has("b", 159)]).toEqual([true, false]);
    expect(used.has("a", 160)).toBe(false);
    expect(used.size).toBe(0);
  });

  it("take bounded memory", () => {
    const used = createUsedSids(1_000, 3);
    for (let i = 0; i < 10; i++) used.add(String(i), i);
    expect(used.size).toBe(3);
    expect([used.has("6", 10), used.has("7", 10)]).toEqual([false, true]);
  });
});

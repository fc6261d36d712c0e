import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Mixer } from "./mixer.js";

/** What a mixer says of one context whose weight is 1. */
function said(chance: number): number {
  const mixer = new Mixer({ firstWeight: 1, rate: 0 });
  return mixer.mix(Uint16Array.of(chance), Int32Array.of(0), 0, 1, 0);
}

describe("the mixer", () => {
  it("says of one context alone what that says, within its steps", () => {
    for (let chance = 100; chance < 65_436; chance += 97)
      expect(Math.abs(said(chance) - chance)).toBeLessThanOrEqual(
        8 + 0.007 * Math.min(chance, 65_536 - chance),
      );
    expect([said(0), said(65_535)]).toEqual([
      expect.toSatisfy((c: number) => c <= 28),
      expect.toSatisfy((c: number) => c >= 65_508),
    ]);
  });

  it("has tables that are the same in every engine", () => {
    const all = Uint16Array.from({ length: 4_096 }, (_, i) => said(i * 16));
    expect(createHash("sha256").update(Buffer.from(all.buffer)).digest("hex").slice(0, 16)).toBe(
      "db44e92acc670e98",
    );
  });

  it("listens to who was right", () => {
    const mixer = new Mixer();
    const chances = Uint16Array.of(60_000, 5_000);
    const slots = Int32Array.of(0, 1);
    const before = mixer.mix(chances, slots, 0, 2, 3);
    for (let i = 0; i < 200; i++) {
      mixer.mix(chances, slots, 0, 2, 3);
      mixer.learn(1, 2);
    }
    expect(mixer.mix(chances, slots, 0, 2, 3)).toBeGreaterThan(Math.max(before, 63_000));
    expect(mixer.mix(chances, slots, 0, 2, 4)).toBe(before);
  });
});

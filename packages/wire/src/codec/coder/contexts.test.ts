import { describe, expect, it } from "vitest";
import { ageOf, Contexts } from "./contexts.js";

function teach(contexts: Contexts, context: number, bit: number, times: number): void {
  for (let i = 0; i < times; i++) contexts.learn(context, bit);
}

describe("contexts", () => {
  it("begin even, learn quickly at first, and are never sure", () => {
    const contexts = new Contexts(256);
    const context = contexts.slot(7, 3) + 1;
    expect(contexts.chance(context)).toBe(32_768);
    contexts.learn(context, 1);
    expect(contexts.chance(context)).toBe(53_248);
    teach(contexts, context, 1, 10_000);
    expect(contexts.chance(context)).toBeGreaterThan(65_400);
    teach(contexts, context, 0, 10_000);
    expect(contexts.chance(context)).toBe(20);
  });

  it("know how much they have seen", () => {
    const contexts = new Contexts(256);
    const context = contexts.slot(7, 3) + 1;
    const ages = Array.from({ length: 30 }, () => {
      const age = ageOf(contexts.cells[context] as number);
      contexts.learn(context, 0);
      return age;
    });
    expect([0, 1, 2, 5, 6, 23, 24, 29].map((i) => ages[i])).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
  });

  it("keep what they learned when they grow, and grow to their bound", () => {
    const contexts = new Contexts(512);
    const learned = Array.from({ length: 40 }, (_, i) => {
      teach(contexts, contexts.slot(1, i) + 1, i % 2, 9);
      return contexts.chance(contexts.slot(1, i) + 1);
    });
    const small = contexts.bytes;
    contexts.growIfCrowded();
    expect(contexts.bytes).toBe(2 * small);
    // Some contexts may have lost their place to another, and begin anew.
    const kept = learned.filter((chance, i) => contexts.chance(contexts.slot(1, i) + 1) === chance);
    expect(kept.length).toBeGreaterThan(28);
    for (let i = 0; i < 5_000; i++) {
      contexts.slot(3, i);
      contexts.growIfCrowded();
    }
    expect(contexts.bytes).toBe(4 * small);
  });

  it("give up what was used least of two", () => {
    const contexts = new Contexts(128);
    const start = contexts.slot(1, 0);
    teach(contexts, start + 1, 1, 50);
    // These are enough situations to take both places of each slot again and again.
    for (let i = 1; i < 2_000; i++) contexts.slot(1, i);
    expect(contexts.slot(1, 0)).toBe(start);
    expect(ageOf(contexts.cells[start + 1] as number)).toBe(3);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { align, type Hunk } from "./alignment.js";

const MOST = 40;

function between(old: readonly number[], next: readonly number[], most = MOST): Hunk[] | undefined {
  return align(old.length, next.length, (i, j) => old[i] === next[j], most);
}

/** Applies the hunks to the old list, with new items from the new list. */
function apply(old: readonly number[], next: readonly number[], hunks: readonly Hunk[]): number[] {
  const made: number[] = [];
  let from = 0;
  for (const { at, removed, inserted } of hunks) {
    made.push(...old.slice(from, at));
    made.push(...next.slice(made.length, made.length + inserted));
    from = at + removed;
  }
  return [...made, ...old.slice(from)];
}

describe("an alignment of two lists", () => {
  it("makes the one of the other", () => {
    const list = fc.array(fc.nat(5), { maxLength: 20 });
    fc.assert(
      fc.property(list, list, (old, next) => {
        const hunks = between(old, next);
        expect(hunks).toBeDefined();
        expect(apply(old, next, hunks ?? [])).toEqual(next);
        // Hunks do not touch: at least one item stays between them.
        hunks?.reduce(
          (before, hunk) => {
            expect(hunk.at).toBeGreaterThan(before.at + before.removed);
            return hunk;
          },
          { at: -1, removed: 0, inserted: 0 },
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it("takes the fewest edits", () => {
    const numbers = Array.from({ length: 60 }, (_, i) => i * 7);
    expect(between(numbers, numbers)).toEqual([]);
    expect(between(numbers, [...numbers.slice(1), 5])).toEqual([
      { at: 0, removed: 1, inserted: 0 },
      { at: 60, removed: 0, inserted: 1 },
    ]);
    expect(between(numbers, [...numbers.slice(0, 30), 1, 2, ...numbers.slice(31)])).toEqual([
      { at: 30, removed: 1, inserted: 2 },
    ]);
    expect(between([], [1, 2])).toEqual([{ at: 0, removed: 0, inserted: 2 }]);
  });

  it("gives up beyond so many", () => {
    const numbers = Array.from({ length: 60 }, (_, i) => i);
    const others = numbers.map((i) => i + 1_000);
    expect(between([0, ...numbers, 0], [1, ...others, 1], 32)).toBeUndefined();
    expect(between(numbers, [...numbers, ...others, 5], 32)).toHaveLength(1);
  });
});

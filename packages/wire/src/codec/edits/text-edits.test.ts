import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Hunk } from "./alignment.js";
import { findEdits } from "./text-edits.js";

function apply(old: string, next: string, hunks: readonly Hunk[]): string {
  let made = "";
  let from = 0;
  for (const { at, removed, inserted } of hunks) {
    made += old.slice(from, at);
    made += next.slice(made.length, made.length + inserted);
    from = at + removed;
  }
  return made + old.slice(from);
}

const words = (count: number): string =>
  Array.from({ length: count }, (_, i) => `word${(i * i) % 997}`).join(" ");

describe("edits of a text", () => {
  it("make the one of the other", () => {
    const part = fc.record({ at: fc.nat(4_000), removed: fc.nat(30), text: fc.string({ maxLength: 30 }) });
    const old = words(600);
    let found = 0;
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const next = parts.reduce((text, { at, removed, text: put }) => {
          return text.slice(0, at) + put + text.slice(at + removed);
        }, old);
        const hunks = findEdits(old, next);
        if (hunks === undefined) return;
        found++;
        expect(apply(old, next, hunks)).toBe(next);
      }),
      { numRuns: 300 },
    );
    expect(found).toBeGreaterThan(250);
  });

  it("are as small as what changed", () => {
    const old = words(600);
    // The 400th word, which also comes a second time.
    const repeated = `word${(400 * 400) % 997}`;
    const [first, second] = [old.indexOf(`${repeated} `), old.lastIndexOf(`${repeated} `)];
    expect(findEdits(old, old)).toEqual([]);
    expect(findEdits(old, `${old.slice(0, first)}WORD${old.slice(first + 4)}`)).toEqual([
      { at: first, removed: 4, inserted: 4 },
    ]);
    const twice = `${old.slice(0, first)}WORDS${old.slice(first + 4, second)}W${old.slice(second + 4)}`;
    expect(findEdits(old, twice)).toEqual([
      { at: first, removed: 4, inserted: 5 },
      { at: second, removed: 4, inserted: 1 },
    ]);
    expect(findEdits(old, `${old} more`)).toEqual([{ at: old.length, removed: 0, inserted: 5 }]);
    expect(findEdits(new Uint8Array(300), new Uint8Array(300).fill(7, 10, 12))).toEqual([
      { at: 10, removed: 2, inserted: 2 },
    ]);
  });

  it("are none of a text that is another one", () => {
    expect(findEdits(words(600), words(600).toUpperCase())).toBeUndefined();
    expect(findEdits("a".repeat(1_000), "b".repeat(1_000))).toBeUndefined();
    expect(findEdits("a".repeat(1_000), words(500))).toBeUndefined();
  });
});

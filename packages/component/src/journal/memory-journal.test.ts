import { describe, expect, it } from "vitest";
import { MemoryJournal, type JournalMemory } from "./memory-journal.js";

function setUp(maxRows = 100, maxBytes = 1e6, memory: JournalMemory = { used: 0, maxBytes: 1e9 }) {
  const journal = new MemoryJournal({ maxRows, maxBytes }, memory);
  return { journal, memory };
}

/** Rows whose only byte is their offset, one a second. */
function fill(journal: MemoryJournal, from: number, to: number): void {
  for (let offset = from; offset <= to; offset++)
    journal.append(offset, offset, [Uint8Array.of(offset)], [offset * 1_000]);
}

const offsetsOf = (slice: ReturnType<MemoryJournal["read"]>): number[] =>
  (slice?.rows ?? []).map(([byte]) => byte as number);

describe("a journal in memory", () => {
  it("gives back what came, from any offset, in slices", () => {
    const { journal } = setUp();
    expect([journal.first, journal.read(1, 10, 100), journal.since(0)]).toEqual([1, undefined, 1]);
    fill(journal, 1, 50);
    expect(journal.first).toBe(1);
    const slice = journal.read(20, 5, 1_000);
    expect(slice).toMatchObject({ from: 20, to: 24, firstAt: 20_000, lastAt: 24_000 });
    expect(offsetsOf(slice)).toEqual([20, 21, 22, 23, 24]);
    expect(journal.read(49, 10, 1_000)).toMatchObject({ from: 49, to: 50 });
    expect(journal.read(20, 10, 3)).toMatchObject({ from: 20, to: 22 });
    expect(journal.read(20, 10, 0)).toMatchObject({ from: 20, to: 20 });
    expect(journal.read(51, 10, 1_000)).toBeUndefined();
  });

  it("finds the first of a time", () => {
    const { journal } = setUp();
    fill(journal, 1, 50);
    expect([journal.since(0), journal.since(20_000), journal.since(20_001), journal.since(1e9)]).toEqual([
      1, 20, 21, 51,
    ]);
  });

  it("drops the oldest over its bounds, and says from where on it is whole", () => {
    const { journal } = setUp(10);
    fill(journal, 1, 200);
    expect(journal.first).toBe(191);
    expect(offsetsOf(journal.read(1, 3, 1_000))).toEqual([191, 192, 193]);
    expect(journal.read(1, 3, 1_000)?.from).toBe(191);
    const small = setUp(100, 3 * 281).journal;
    fill(small, 1, 20);
    expect(small.first).toBe(18);
  });

  it("shares one bound with others, and always keeps its newest", () => {
    const { journal, memory } = setUp(100, 1e6, { used: 0, maxBytes: 2_810 });
    fill(journal, 1, 8);
    const other = new MemoryJournal({ maxRows: 100, maxBytes: 1e6 }, memory);
    fill(other, 1, 10);
    expect([journal.first, other.first]).toEqual([1, 9]);
    expect(memory.used).toBe(journal.bytes + other.bytes);
    journal.clear();
    expect(memory.used).toBe(other.bytes);
    expect([journal.first, journal.read(1, 1, 1)]).toEqual([9, undefined]);
  });

  it("keeps holes and what was left out apart", () => {
    const { journal } = setUp();
    fill(journal, 1, 3);
    // 4 and 5 were lost; 6 and 7 left out on purpose, before 8.
    journal.append(6, 8, [Uint8Array.of(8)], [8_000]);
    journal.append(9, 9, [Uint8Array.of(9)], [9_000]);
    expect(journal.read(2, 10, 100)).toMatchObject({ from: 2, to: 3 });
    expect(journal.read(4, 10, 100)).toMatchObject({ from: 6, to: 9 });
    expect(journal.read(7, 10, 100)).toMatchObject({ from: 7, to: 9 });
  });
});

import { describe, expect, it } from "vitest";
import { JournalMemory, type JournalMemoryLimits } from "../base/journal-memory.js";
import { MemoryJournal } from "./memory-journal.js";

const LIMITS = { maxLogBytes: 1e9, maxLogBytesPerJid: 1e8, remotePercent: 25, domainShare: 2 };
/** Memory of an entry whose row has one byte. */
const ENTRY_BYTES = 401;

function shared(limits: Partial<JournalMemoryLimits> = {}) {
  const memory = new JournalMemory({ ...LIMITS, ...limits }, (domain) => domain === "x");
  const open = (owner: string, maxRows = 1e6): MemoryJournal =>
    new MemoryJournal(() => ({ maxRows, maxBytes: 1e8, maxAgeMs: Infinity }), memory, owner);
  return { memory, open };
}

function setUp(maxRows = 100, maxBytes = 1e6, maxAgeMs = Infinity): MemoryJournal {
  return new MemoryJournal(() => ({ maxRows, maxBytes, maxAgeMs }), shared().memory, "alice@x");
}

/** Adds rows whose only byte is their offset. One row arrives each second. */
function fill(journal: MemoryJournal, from: number, to: number): void {
  for (let offset = from; offset <= to; offset++)
    journal.append(offset, offset, [Uint8Array.of(offset)], [offset * 1_000], offset * 1_000);
}

const offsetsOf = (slice: ReturnType<MemoryJournal["read"]>): number[] =>
  (slice?.rows ?? []).map(([byte]) => byte as number);

describe("a journal in memory", () => {
  it("gives back what came, from any offset, in slices", () => {
    const journal = setUp();
    expect([journal.first, journal.read(1, 10, 100)]).toEqual([1, undefined]);
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

  it("drops the oldest over its bounds, and says from where on it is whole", () => {
    const journal = setUp(10);
    fill(journal, 1, 200);
    expect(journal.first).toBe(191);
    expect(offsetsOf(journal.read(1, 3, 1_000))).toEqual([191, 192, 193]);
    expect(journal.read(1, 3, 1_000)?.from).toBe(191);
    const small = setUp(100, 3 * ENTRY_BYTES);
    fill(small, 1, 20);
    expect(small.first).toBe(18);
  });

  it("drops what is older than its bound, but never the newest", () => {
    const journal = setUp(100, 1e6, 5_000);
    fill(journal, 1, 10);
    journal.trim(10_000);
    expect(journal.first).toBe(5);
    journal.trim(60_000);
    expect(journal.first).toBe(10);
    expect(journal.since(0)).toEqual({ offset: 10, whole: false });
  });

  it("drops what is too much since a bound was lowered", () => {
    const bounds = { maxRows: 100, maxBytes: 1e6, maxAgeMs: Infinity };
    const journal = new MemoryJournal(() => bounds, shared().memory, "alice@x");
    fill(journal, 1, 20);
    bounds.maxRows = 5;
    journal.trim(20_000);
    expect(journal.first).toBe(16);
    bounds.maxBytes = 2 * ENTRY_BYTES;
    journal.trim(20_000);
    expect(journal.first).toBe(19);
  });

  it("keeps holes and what was left out apart", () => {
    const journal = setUp();
    fill(journal, 1, 3);
    // Positions 4 and 5 were lost. 6 and 7 were left out on purpose, before 8.
    journal.append(6, 8, [Uint8Array.of(8)], [8_000], 8_000);
    journal.append(9, 9, [Uint8Array.of(9)], [9_000], 9_000);
    expect(journal.read(2, 10, 100)).toMatchObject({ from: 2, to: 3 });
    expect(journal.read(4, 10, 100)).toMatchObject({ from: 6, to: 9 });
    expect(journal.read(7, 10, 100)).toMatchObject({ from: 7, to: 9 });
  });
});

describe("since a time", () => {
  it("begins with the first that came then or later, and says whether older ones of it were dropped", () => {
    const journal = setUp(40);
    expect(journal.since(0)).toEqual({ offset: 1, whole: true });
    fill(journal, 1, 40);
    expect(journal.since(0)).toEqual({ offset: 1, whole: true });
    fill(journal, 41, 50);
    // Updates 1 to 10 were dropped.
    expect(journal.since(0)).toEqual({ offset: 11, whole: false });
    expect(journal.since(10_000)).toEqual({ offset: 11, whole: false });
    expect(journal.since(10_001)).toEqual({ offset: 11, whole: true });
    expect(journal.since(20_000)).toEqual({ offset: 20, whole: true });
    expect(journal.since(20_001)).toEqual({ offset: 21, whole: true });
    expect(journal.since(1e9)).toEqual({ offset: 51, whole: true });
  });

  it("goes by when they came, whatever age their publisher says", () => {
    const journal = setUp();
    for (const [i, at] of [9_000, 1_000, 5_000].entries())
      journal.append(i + 1, i + 1, [Uint8Array.of(i)], [at], 10_000 + i);
    expect(journal.since(10_001)).toEqual({ offset: 2, whole: true });
    expect(journal.since(9_500)).toEqual({ offset: 1, whole: true });
  });

  it("leaves nothing out where the wall clock went back", () => {
    const journal = setUp();
    const cameAt = [1_000, 2_000, 3_000, 1_500, 2_500, 3_500];
    for (const [i, at] of cameAt.entries()) journal.append(i + 1, i + 1, [Uint8Array.of(i)], [i], at);
    for (const time of [1_000, 1_200, 2_000, 2_400, 3_000, 3_200, 3_500]) {
      const { offset } = journal.since(time);
      expect(offset).toBe(1 + cameAt.findIndex((at) => at >= time));
    }
  });
});

describe("the memory of all journals", () => {
  const BYTES = 40 * ENTRY_BYTES;

  it("is made room in by the owner who holds most, in the largest journal; each keeps its newest", () => {
    const { memory, open } = shared({ maxLogBytes: BYTES });
    const small = open("alice@x");
    fill(small, 1, 10);
    const logs = Array.from({ length: 8 }, () => open("mallory@x"));
    for (let round = 0; round < 100; round++) for (const log of logs) fill(log, round + 1, round + 1);
    expect(memory.used).toBeLessThanOrEqual(BYTES);
    expect(small.first).toBe(1);
    expect(memory.usedBy("alice@x")).toBe(10 * ENTRY_BYTES);
    // Mallory's largest journals make room first, too.
    const quiet = open("mallory@x");
    fill(quiet, 1, 2);
    for (let round = 100; round < 200; round++) for (const log of logs) fill(log, round + 1, round + 1);
    expect([small.first, quiet.first]).toEqual([1, 1]);
    for (const log of logs) expect(log.read(200, 1, 1)).toMatchObject({ to: 200 });
  });

  it("gives one owner its share and no more, and one other domain", () => {
    const { memory, open } = shared({ maxLogBytesPerJid: BYTES });
    fill(open("alice@x"), 1, 200);
    expect(memory.usedBy("alice@x")).toBe(BYTES);
    const names = ["a@y", "b@y", "c@y", "d@y"];
    for (const name of names) fill(open(name), 1, 200);
    for (const name of names) expect(memory.usedBy(name)).toBeLessThanOrEqual(BYTES / 4);
    expect(names.reduce((sum, name) => sum + memory.usedBy(name), 0)).toBeLessThanOrEqual(BYTES / 2);
    fill(open("a@z"), 1, 200);
    expect(memory.usedBy("a@z")).toBe(BYTES / 4);
  });

  it("comes back when journals are cleared, and forgets their owners", () => {
    const { memory, open } = shared();
    const logs = ["alice@x", "alice@x", "bob@y"].map((owner) => open(owner));
    for (const log of logs) fill(log, 1, 50);
    for (const log of logs) log.clear();
    expect(memory.used).toBe(0);
    expect(memory.usedBy("alice@x")).toBe(0);
    fill(logs[0] as MemoryJournal, 51, 60);
    expect(memory.used).toBe(10 * ENTRY_BYTES);
  });
});

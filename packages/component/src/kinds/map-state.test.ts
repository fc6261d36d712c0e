import { DEFAULT_LIMITS, encodeUpdate, type MapChange, type Value } from "@stanzapack/wire";
import { describe, expect, it, vi } from "vitest";
import type { StoredEntry } from "../store/store.js";
import { MapState, type MapCursor, type RemovalBounds, type SliceBounds } from "./map-state.js";

const pack = (value: Value): Uint8Array => encodeUpdate(value, DEFAULT_LIMITS);
const set = (key: string, value: Value): MapChange => ({ type: "set", key, value: pack(value) });
const remove = (key: string): MapChange => ({ type: "delete", key });
const CLEAR: MapChange = { type: "clear" };
const START: MapCursor = { settled: 0, part: undefined };
const ALL: SliceBounds = { maxEntries: 100, maxBytes: 1e6, headBytes: 10, removalsFrom: 0 };

function setUp(bounds: Partial<RemovalBounds> = {}) {
  return new MapState({
    maxRemovals: 100,
    maxRemovalBytes: 1e6,
    maxAgeMs: 1_000,
    maxPinnedMs: 1e9,
    ...bounds,
  });
}

/** Applies updates at the positions 1, 2, … and the times 100, 200, … */
function apply(state: MapState, ...updates: MapChange[][]): void {
  for (const changes of updates) {
    const position = state.position + 1;
    state.apply(position, changes, false, position * 100);
  }
}

const after = (settled: number): MapCursor => ({ settled, part: undefined });
const keysOf = (state: MapState, cursor: MapCursor, bounds: Partial<SliceBounds> = {}): string[] =>
  state
    .read(cursor, { ...ALL, ...bounds })
    .entries.map(({ key, position, value }) => `${value === undefined ? "-" : ""}${key}@${position}`);

describe("the state of a map", () => {
  it("has the newest change of each key, in the order of positions", () => {
    const state = setUp();
    apply(state, [set("a", 1)], [set("b", 1), set("c", 1)], [set("a", 2)], [remove("b"), remove("no")]);
    expect(keysOf(state, START)).toEqual(["c@2", "a@3", "-b@4"]);
    expect(keysOf(state, after(2))).toEqual(["a@3", "-b@4"]);
    expect(keysOf(state, after(4))).toEqual([]);
    expect(keysOf(state, START, { removalsFrom: 4 })).toEqual(["c@2", "a@3"]);
    expect([state.keys, state.position]).toEqual([2, 4]);
    expect(state.get("a")).toEqual(pack(2));
    expect(state.get("b")).toBeUndefined();
  });

  it("forgets everything with a clear, and needs to be read whole from before", () => {
    const state = setUp();
    apply(state, [set("a", 1)], [remove("a")], [set("b", 1)], [set("x", 1), CLEAR, set("c", 1)]);
    expect(keysOf(state, START)).toEqual(["c@4"]);
    expect([3, 4].map((position) => state.needsWhole(position))).toEqual([true, false]);
    expect(state.keys).toBe(1);
    apply(state, [CLEAR]);
    expect([state.keys, state.bytes, state.liveBytes]).toEqual([0, 0, 0]);
  });

  it("counts bytes of what it holds", () => {
    const state = setUp();
    apply(state, [set("a", "x".repeat(100))]);
    const { bytes } = state;
    expect(bytes).toBeGreaterThan(100);
    apply(state, [set("b", 1)], [set("b", "y".repeat(50))], [remove("b")]);
    expect(state.liveBytes).toBe(bytes);
    expect(state.bytes).toBeGreaterThan(bytes);
    state.forgetRemovals(1e6, 10);
    expect(state.bytes).toBe(bytes);
  });

  it("is read in slices, also in the middle of an update, and each key once", () => {
    const state = setUp();
    const many = Array.from({ length: 7 }, (_, i) => set(`k${i}`, i));
    apply(state, [set("a", 1)], many, [set("z", 1)]);
    const read: string[] = [];
    const settled: number[] = [];
    let cursor = START;
    for (let left = 1; left > 0;) {
      const slice = state.read(cursor, { ...ALL, maxEntries: 3 });
      for (const { key } of slice.entries) read.push(key);
      settled.push(slice.cursor.settled);
      // A key that was read changes: it comes again. One that was not read moves to the end.
      if (read.length === 3) apply(state, [set("a", 2), set("k6", 9)]);
      ({ cursor, left } = slice);
    }
    expect(read).toEqual(["a", "k0", "k1", "k2", "k3", "k4", "k5", "z", "a", "k6"]);
    expect(settled).toEqual([1, 1, 3, 4]);
    expect(cursor).toEqual({ settled: 4, part: undefined });
  });

  it("is read in slices of some bytes, with at least one entry", () => {
    const state = setUp();
    apply(state, ...Array.from({ length: 4 }, (_, i) => [set(`k${i}`, "x".repeat(100))]));
    expect(keysOf(state, START, { maxBytes: 200 })).toEqual(["k0@1"]);
    expect(keysOf(state, START, { maxBytes: 300 })).toEqual(["k0@1", "k1@2"]);
    expect(keysOf(state, START, { maxBytes: 0 })).toEqual(["k0@1"]);
  });

  it("forgets removals by age and by number, and what is then to be read whole", () => {
    const state = setUp({ maxRemovals: 3 });
    const names = ["a", "b", "c", "d", "e"];
    apply(
      state,
      names.map((name) => set(name, 1)),
      ...names.map((name) => [remove(name)]),
    );
    expect(state.hasTooManyRemovals).toBe(true);
    expect(state.forgetRemovals(600, 10)).toEqual([
      { type: "forget", key: "a" },
      { type: "forget", key: "b" },
    ]);
    expect(keysOf(state, START)).toEqual(["-c@4", "-d@5", "-e@6"]);
    expect([2, 3].map((position) => state.needsWhole(position))).toEqual([true, false]);
    // A key that is set again has no removal any more.
    apply(state, [set("c", 2)]);
    expect(state.forgetRemovals(1_500, 10)).toEqual([{ type: "forget", key: "d" }]);
    expect(state.forgetRemovals(1e6, 0)).toEqual([]);
    expect(keysOf(state, START)).toEqual(["-e@6", "c@7"]);
    expect(state.floor).toBe(5);
  });

  it("keeps removals that a cursor needs, for longer but not for ever", () => {
    const state = setUp({ maxPinnedMs: 5_000, maxRemovals: 3 });
    const names = ["a", "b", "c"];
    apply(
      state,
      names.map((name) => set(name, 1)),
      ...names.map((name) => [remove(name)]),
    );
    const pinnedFrom = vi.fn(() => 2);
    // Younger than a second: no cursor is asked.
    expect(state.forgetRemovals(1_000, 10, pinnedFrom)).toEqual([]);
    expect(pinnedFrom).not.toHaveBeenCalled();
    expect(state.forgetRemovals(2_000, 10, pinnedFrom)).toEqual([{ type: "forget", key: "a" }]);
    expect([state.floor, pinnedFrom.mock.calls.length]).toEqual([2, 1]);
    expect(state.forgetRemovals(5_250, 10, pinnedFrom)).toEqual([]);
    expect(state.forgetRemovals(5_300, 10, pinnedFrom)).toEqual([{ type: "forget", key: "b" }]);
    apply(state, [set("d", 1), set("e", 1), set("f", 1)], [remove("d")], [remove("e")], [remove("f")]);
    expect(state.forgetRemovals(800, 10, pinnedFrom)).toEqual([{ type: "forget", key: "c" }]);
  });

  it("forgets removals that take too many bytes", () => {
    const state = setUp({ maxRemovalBytes: 1_000 });
    const long = (i: number): string => `${i}`.padEnd(300, "x");
    apply(state, [set(long(1), 1), set(long(2), 1)], [remove(long(1))], [remove(long(2))]);
    expect(state.hasTooManyRemovals).toBe(true);
    expect(state.forgetRemovals(300, Infinity)).toHaveLength(1);
    expect(state.hasTooManyRemovals).toBe(false);
  });

  it("makes its list anew where most entries are superseded, and reads the same", () => {
    const state = setUp();
    apply(
      state,
      Array.from({ length: 50 }, (_, i) => set(`k${i}`, 0)),
    );
    for (let i = 0; i < 5_000; i++) apply(state, [set(`k${i % 50}`, i)]);
    const read = keysOf(state, START);
    expect(read).toHaveLength(50);
    expect(read.at(-1)).toBe("k49@5001");
    expect(state.read(after(4_990), ALL).entries).toHaveLength(11);
  });

  it("comes back from a store", () => {
    const state = setUp();
    apply(state, [set("a", 1), set("b", 2)], [remove("a")], [set("c", 3)]);
    const { entries } = state.read(START, ALL);
    const stored = entries.map(({ key, position, value }, index): StoredEntry => ({
      ...{ key, position, index, at: position * 100, value },
    }));
    const bounds = { maxRemovals: 9, maxRemovalBytes: 1e6, maxAgeMs: 1_000, maxPinnedMs: 1_000 };
    const marks = { floor: 1, continues: true, doubt: { from: 7, to: 9 } };
    const again = MapState.restore(bounds, { entries: stored.toReversed(), marks, position: 9 });
    expect(keysOf(again, START)).toEqual(keysOf(state, START));
    expect(again.marks).toEqual(marks);
    expect([again.position, again.continues, again.keys]).toEqual([9, true, 2]);
    expect([0, 1, 6, 7, 9, 10].map((position) => again.needsWhole(position))).toEqual([
      ...[true, false, false, true, true, false],
    ]);
    const fresh = MapState.restore(bounds, { entries: [], marks: undefined, position: 0 });
    expect(fresh.marks).toEqual({ floor: 0, continues: false });
  });
});

import type { Value } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { MapChangeEvent } from "../subscribe/map-replica.js";
import { ExpectedMap, LayeredMap } from "./layered-map.js";
import { Overlay } from "./overlay.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const WINDOW_MS = 1_000;
/** The window, and five seconds. */
const SHOWN_MS = 6_000;

/** A map and what lies above it, as a reader sees it. `heard` follows the events alone. */
function setUp(of: Record<string, Value> = { a: 1, b: 2 }) {
  const values = new Map(Object.entries(of));
  const base = { values, synced: true, windowMs: WINDOW_MS };
  const empty = vi.fn();
  const overlay = new Overlay(() => base, empty);
  const map = new LayeredMap<Value>(
    () => values,
    (key) => overlay.shown(key),
    () => overlay.keys(),
  );
  const heard = new Map(values);
  overlay.listeners.add((changes) => {
    for (const { key, value, previous } of changes) {
      expect(heard.get(key)).toEqual(previous);
      if (value === undefined) heard.delete(key);
      else heard.set(key, value);
    }
  });
  /** The publisher changes a key. */
  const change = (key: string, value: Value | undefined): void => {
    const previous = values.get(key);
    if (value === undefined) values.delete(key);
    else values.set(key, value);
    const event: MapChangeEvent<Value> = { key, value, previous };
    overlay.onBase({ changes: [event], synced: false });
  };
  const command = (sequence: number, changes: Record<string, Value | undefined>): void => {
    overlay.stage(sequence, Object.entries(changes));
    overlay.show(sequence);
  };
  const shown = (): Record<string, Value> => {
    const entries = Object.fromEntries(map);
    expect(Object.fromEntries(heard)).toEqual(entries);
    expect(map.size).toBe(Object.keys(entries).length);
    expect([...map.keys()].every((key) => map.has(key))).toBe(true);
    return entries;
  };
  return { overlay, base, map, change, command, shown, empty };
}

describe("changes of commands", () => {
  it("are shown once they are stored, the newest of a key, and leave the map as it is", () => {
    const { overlay, base, command, shown } = setUp();
    overlay.stage(1, [["a", 10]]);
    expect(shown()).toEqual({ a: 1, b: 2 });
    // The next command builds on it already.
    expect(overlay.newest("a")).toMatchObject({ value: 10 });
    overlay.show(1);
    command(2, { a: 11, b: undefined, c: 3 });
    expect(shown()).toEqual({ a: 11, c: 3 });
    expect(Object.fromEntries(base.values)).toEqual({ a: 1, b: 2 });
    overlay.rollBack(2);
    expect(shown()).toEqual({ a: 10, b: 2 });
    overlay.rollBack(1);
    expect(shown()).toEqual({ a: 1, b: 2 });
  });

  it("hide the publisher's changes of their keys, and no others", () => {
    const { overlay, change, command, shown, empty } = setUp();
    command(1, { a: 10 });
    change("a", 5);
    change("b", 6);
    change("c", 7);
    expect(shown()).toEqual({ a: 10, b: 6, c: 7 });
    expect(empty).not.toHaveBeenCalled();
    overlay.rollBack(1);
    expect(shown()).toEqual({ a: 5, b: 6, c: 7 });
    expect(empty).toHaveBeenCalledOnce();
  });

  it("vanish at once where the map's change came before the result", () => {
    const { overlay, change, command, shown, empty } = setUp();
    command(1, { a: 10, b: undefined });
    overlay.sent(1);
    change("a", 10);
    change("b", undefined);
    // Somebody else was quicker than the result.
    change("a", 99);
    expect(shown()).toEqual({ a: 10 });
    overlay.confirm(1);
    expect(shown()).toEqual({ a: 99 });
    expect(empty).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("stay until the map's change where the result came before, key by key", () => {
    const { overlay, change, command, shown } = setUp();
    command(1, { a: 10, b: 20 });
    overlay.sent(1);
    overlay.confirm(1);
    expect(shown()).toEqual({ a: 10, b: 20 });
    change("a", 10);
    // Another value than expected is the publisher's too.
    change("b", 21);
    expect(shown()).toEqual({ a: 10, b: 21 });
    expect(overlay.idle).toBe(false);
    overlay.listeners.clear();
    expect(overlay.idle).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("count as seen only after their command was sent", () => {
    const { overlay, change, command, shown } = setUp();
    command(1, { a: 10 });
    change("a", 10);
    change("a", 3);
    overlay.sent(1);
    overlay.confirm(1);
    // The change of the command itself is still on its way.
    expect(shown()).toEqual({ a: 10, b: 2 });
    change("a", 10);
    expect(shown()).toEqual({ a: 10, b: 2 });
    command(2, { a: 11 });
    overlay.sent(2);
    change("a", 11);
    overlay.unsent(2);
    change("a", 12);
    overlay.confirm(2);
    expect(shown()).toEqual({ a: 11, b: 2 });
  });

  it("vanish when no change comes within the window and five seconds, but wait while the map catches up", async () => {
    const { overlay, base, command, shown } = setUp();
    command(1, { a: 10 });
    command(2, { b: 20 });
    overlay.confirm(1);
    await vi.advanceTimersByTimeAsync(SHOWN_MS - 1);
    expect(shown()).toEqual({ a: 10, b: 20 });
    await vi.advanceTimersByTimeAsync(1);
    expect(shown()).toEqual({ a: 1, b: 20 });
    overlay.confirm(2);
    base.synced = false;
    await vi.advanceTimersByTimeAsync(10 * SHOWN_MS);
    expect(shown()).toEqual({ a: 1, b: 20 });
    base.synced = true;
    overlay.onBase({ changes: [], synced: true });
    await vi.advanceTimersByTimeAsync(SHOWN_MS);
    expect(shown()).toEqual({ a: 1, b: 2 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("of confirmed commands are 1,000 at most", () => {
    const { overlay, command, map } = setUp({});
    for (let i = 1; i <= 1_002; i++) {
      command(i, { [`k${i}`]: i });
      overlay.confirm(i);
    }
    expect([map.size, map.get("k2"), map.get("k3")]).toEqual([1_000, undefined, 3]);
    expect(vi.getTimerCount()).toBe(1_000);
    overlay.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("without a map below vanish with the result", () => {
    const overlay = new Overlay(() => undefined);
    overlay.stage(1, [["a", 1]]);
    overlay.show(1);
    expect(overlay.shown("a")).toMatchObject({ value: 1 });
    overlay.confirm(1);
    expect(overlay.idle).toBe(true);
  });
});

describe("the map that a command expects", () => {
  const expected = (of: Record<string, Value>) => {
    const { overlay, base, command } = setUp(of);
    command(1, { a: 10, b: undefined });
    return new ExpectedMap<Value>(
      () => base.values,
      (key) => overlay.newest(key),
      () => overlay.keys(),
    );
  };

  it("has the changes of the commands before, and takes its own", () => {
    const map = expected({ a: 1, b: 2, c: 3 });
    expect([map.get("a"), map.has("b"), map.size]).toEqual([10, false, 2]);
    const list = [1];
    map.set("b", list).set("d", 4);
    list.push(2);
    expect([map.delete("c"), map.delete("none"), map.delete("a")]).toEqual([true, false, true]);
    expect(Object.fromEntries(map)).toEqual({ b: [1], d: 4 });
    expect([...map.values()]).toEqual([[1], 4]);
    const seen: unknown[] = [];
    map.forEach((value, key, of) => seen.push([key, value, of === map]));
    expect(seen).toEqual([
      ["b", [1], true],
      ["d", 4, true],
    ]);
    expect(map.made).toEqual([
      ["b", [1]],
      ["d", 4],
      ["c", undefined],
      ["a", undefined],
    ]);
  });

  it("refuses what cannot travel, and more than 1,000 keys", () => {
    const map = expected({});
    expect(() => map.set("", 1)).toThrow("a key of a map has 1 to 512 characters");
    expect(() => map.set("k", new Date() as unknown as Value)).toThrow("is a Date");
    for (let i = 0; i < 1_000; i++) map.set(`k${i}`, i);
    expect(() => map.set("one more", 1)).toThrow("at most 1000 keys");
  });
});

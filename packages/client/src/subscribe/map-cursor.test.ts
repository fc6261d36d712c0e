import { WHOLE, type CreditFrame, type MapEntry, type SnapshotFrame, type Value } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SubscribeOptions } from "../options/subscribe-options.js";
import { SharedSubscription } from "./shared-subscription.js";
import type { Subscription } from "./subscription.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const entry = (position: number, key: string, value?: Value): MapEntry<Value> => ({ position, key, value });

/** A subscription to a map with the cursor "w". `begun`: the offset of the cursor. */
function setUp(
  more: SubscribeOptions<Value> = {},
  { begun = 0, recovered }: { begun?: number; recovered?: boolean } = {},
) {
  const totals: number[] = [];
  const options = { cursor: "w", ...more };
  const shared = new SharedSubscription("alice@x/m", options, {
    change: () => Promise.reject(new Error("not in this test")),
    ...{ stop: () => Promise.resolve(), credit: ({ total }: CreditFrame) => void totals.push(total) },
  });
  const subscription: Subscription<Value> = shared.join(options);
  let credit = 0;
  const bind = (offset: number): void => {
    credit = shared.wanted.credit;
    shared.begin(credit);
    shared.bound({
      ...{
        type: "bind",
        role: "subscription",
        alias: 0,
        node: shared.node,
        subid: "1",
        kind: "map",
        baseAt: 0,
      },
    });
    shared.applyGrant({
      ...{ subid: "1", windowMs: 0, selection: WHOLE, begun: { epoch: 7, offset } },
      ...(recovered === undefined ? {} : { recovered }),
    });
  };
  bind(begun);
  const events: unknown[] = [];
  const listen = (): void => {
    subscription.on("change", ({ key, value }) =>
      events.push(value === undefined ? `-${key}` : `${key}=${String(value as number)}`),
    );
    subscription.on("reset", ({ reason }) => events.push(`reset ${reason}`));
    subscription.on("synced", () => events.push("synced"));
  };
  const snapshot = (head: Partial<SnapshotFrame>, ...entries: MapEntry<Value>[]): void =>
    shared.deliverSnapshot(
      {
        ...{ type: "snapshot", alias: 0, epoch: 7, from: 1, to: 1, begins: false, left: 0, form: "rows" },
        payload: new Uint8Array(),
        ...head,
      },
      entries,
    );
  const update = (to: number, ...rows: Value[]): void =>
    shared.deliver({ epoch: 7, from: to - rows.length + 1, to, at: 0, spanMs: 0, rows });
  /** Totals that were told, less the first credit: rows that were taken. */
  const taken = (): number[] => {
    vi.advanceTimersByTime(1_000);
    return totals.splice(0).map((total) => total - credit);
  };
  return { shared, subscription, events, listen, snapshot, update, taken, bind };
}

describe("a map with a new cursor", () => {
  it("takes the whole map at the end of its pass, and each update once its listeners have returned", () => {
    const { listen, snapshot, update, taken, events, subscription } = setUp();
    listen();
    snapshot({ begins: true, to: 2, left: 1 }, entry(1, "a", 1), entry(2, "b", 1));
    expect([taken(), subscription.position]).toEqual([[], undefined]);
    snapshot({ from: 3, to: 4 }, entry(4, "c", 1));
    expect([taken(), subscription.position]).toEqual([[3], { epoch: 7, offset: 4 }]);
    update(6, [["a", 2]], [["b"]]);
    expect(taken()).toEqual([5]);
    // A part of an update is not taken.
    update(7, [["a", 3], null]);
    expect([taken(), subscription.position]).toEqual([[], { epoch: 7, offset: 6 }]);
    update(8, [["b", 3]]);
    expect(taken()).toEqual([7]);
    expect(events).toEqual(["a=1", "b=1", "c=1", "synced", "a=2", "-b", "a=3", "b=3"]);
  });

  it("takes nothing while nobody listens, or while events wait for the program", async () => {
    const { listen, snapshot, update, taken, subscription } = setUp();
    subscription.hold();
    snapshot({ begins: true, to: 1 }, entry(1, "a", 1));
    expect([taken(), subscription.position]).toEqual([[], undefined]);
    subscription.handOut();
    listen();
    await vi.waitFor(() => expect(subscription.position).toEqual({ epoch: 7, offset: 1 }));
    expect(taken()).toEqual([1]);
    subscription.removeAllListeners("change");
    update(2, [["a", 2]]);
    expect(taken()).toEqual([]);
    subscription.markTaken({ epoch: 7, offset: 2 });
    expect(taken()).toEqual([2]);
  });

  it("takes by `markTaken` alone with `manualCursor`", () => {
    const { listen, snapshot, update, taken, subscription } = setUp({ manualCursor: true });
    listen();
    snapshot({ begins: true, to: 2 }, entry(1, "a", 1), entry(2, "b", 1));
    const before = subscription.position as { epoch: number; offset: number };
    update(3, [["a", 2]]);
    expect(taken()).toEqual([]);
    subscription.markTaken(before);
    expect(taken()).toEqual([2]);
  });

  it("asks to continue behind what was taken, and emits nothing again", () => {
    const { shared, listen, snapshot, update, taken, bind, events } = setUp({ manualCursor: true });
    listen();
    snapshot({ begins: true, to: 2 }, entry(2, "a", 1));
    shared.took({ epoch: 7, offset: 2 });
    update(3, [["a", 2]]);
    shared.interrupt("disconnected");
    expect(shared.since).toEqual({ epoch: 7, offset: 2 });
    bind(2);
    events.length = 0;
    snapshot({ from: 3, to: 3 }, entry(3, "a", 2));
    expect(events).toEqual(["synced"]);
    shared.took({ epoch: 7, offset: 3 });
    expect(taken()).toEqual([1]);
  });
});

describe("a map that continues at its cursor", () => {
  it("has only what has changed, names removed keys that it never had, and checks nothing", async () => {
    const { listen, snapshot, events, subscription } = setUp({}, { begun: 5, recovered: true });
    listen();
    snapshot({ from: 6, to: 9 }, entry(7, "a", 2), entry(9, "gone"));
    expect(events).toEqual(["a=2", "-gone", "synced"]);
    expect([[...subscription.map], subscription.recovered]).toEqual([[["a", 2]], true]);
    await expect(subscription.verify()).rejects.toMatchObject({ code: "usage" });
  });

  it("begins with the program's copy, and emits differences alone", () => {
    const copy = new Map<string, Value>([
      ["a", 1],
      ["b", 1],
      ["gone", 1],
    ]);
    const { listen, snapshot, events, subscription } = setUp({ copy }, { begun: 5, recovered: true });
    listen();
    snapshot({ from: 6, to: 9 }, entry(7, "a", 2), entry(8, "b", 1), entry(9, "gone"));
    expect(events).toEqual(["a=2", "-gone", "synced"]);
    expect(Object.fromEntries(subscription.map)).toEqual({ a: 2, b: 1 });
    expect(copy.get("a")).toBe(1);
  });

  it("removes keys of the copy that the whole map does not have", () => {
    const copy = new Map<string, Value>([
      ["a", 1],
      ["old", 1],
    ]);
    const { listen, snapshot, events } = setUp({ copy }, { recovered: false });
    listen();
    snapshot({ begins: true, to: 9 }, entry(3, "a", 1), entry(9, "b", 1));
    expect(events).toEqual(["-old", "b=1", "synced"]);
  });

  it("gives a copy to readers with `parse`", () => {
    const copy = new Map<string, Value>([["a", 1]]);
    const parse = (value: Value): Value => Number(value) * 10;
    const { listen, snapshot, events, subscription } = setUp({ copy, parse }, { begun: 5, recovered: true });
    listen();
    snapshot({ from: 6, to: 6 }, entry(6, "b", 2));
    expect(events).toEqual(["b=20", "synced"]);
    expect(Object.fromEntries(subscription.map)).toEqual({ a: 10, b: 20 });
  });

  it("says when what the program has kept does not count, and then emits every key", () => {
    const first = setUp({}, { recovered: false });
    first.listen();
    first.snapshot({ begins: true, to: 9 }, entry(9, "a", 1));
    expect(first.events).toEqual(["reset whole", "a=1", "synced"]);
    const later = setUp({}, { begun: 5, recovered: true });
    later.listen();
    later.snapshot({ from: 6, to: 9 }, entry(9, "a", 1));
    later.snapshot({ begins: true, to: 12 }, entry(9, "a", 1), entry(12, "b", 1));
    expect(later.events).toEqual(["a=1", "synced", "reset whole", "a=1", "b=1", "synced"]);
    // Now the copy is whole.
    later.snapshot({ begins: true, to: 13 }, entry(9, "a", 1));
    expect(later.events.slice(6)).toEqual(["-b"]);
  });

  it.each<[string, SubscribeOptions<Value>]>([
    ["copy", { copy: new Map() }],
    ["manualCursor", { manualCursor: true }],
  ])("needs a cursor for `%s`", (name, options) => {
    expect(() => setUp({ cursor: undefined, ...options })).toThrow(`\`${name}\` needs a \`cursor\``);
  });
});

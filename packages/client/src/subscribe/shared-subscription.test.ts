import { WHOLE, type CreditFrame, type ServiceKind } from "@stanzapack/wire";
import { describe, expect, it, vi } from "vitest";
import { SharedSubscription } from "./shared-subscription.js";
import type { Subscription } from "./subscription.js";
import type { SubscribeOptions } from "../options/subscribe-options.js";

function setUp(options: SubscribeOptions<unknown> = {}, kind: ServiceKind = "value") {
  const credits: CreditFrame[] = [];
  const stop = vi.fn(() => Promise.resolve());
  const shared = new SharedSubscription("alice@x/t", options, {
    change: (_, windowMs, selection) => Promise.resolve({ subid: "1", windowMs, selection }),
    ...{ stop, credit: (frame: CreditFrame) => void credits.push(frame) },
  });
  const first = shared.join<number>(options as SubscribeOptions<number>);
  shared.begin(shared.wanted.credit);
  shared.bound({
    ...{ type: "bind", role: "subscription", alias: 0, node: shared.node, subid: "1", kind, baseAt: 0 },
  });
  shared.applyGrant({ subid: "1", windowMs: 0, selection: WHOLE });
  let last = 0;
  const deliver = (count: number): void => {
    const rows = Array.from({ length: count }, (_, i) => last + i + 1);
    shared.deliver({ epoch: 1, from: last + 1, to: last + count, at: 0, spanMs: 0, rows });
    last += count;
  };
  return { shared, first, credits, stop, deliver };
}

function joinLate(shared: SharedSubscription, options: SubscribeOptions<number> = {}): Subscription<number> {
  const reader = shared.join<number>(options);
  shared.greet(reader);
  return reader;
}

async function read(subscription: Subscription<number>, count: number): Promise<number[]> {
  const values: number[] = [];
  const iterator = subscription[Symbol.asyncIterator]();
  while (values.length < count) {
    const next = await iterator.next();
    if (next.done === true) break;
    values.push(next.value.value);
  }
  return values;
}

describe("subscriptions that share one on the wire", () => {
  it("each get every update, and one that joins later the newest value first", async () => {
    const { shared, first, deliver } = setUp();
    deliver(2);
    const second = joinLate(shared);
    deliver(2);
    expect(await read(first, 4)).toEqual([1, 2, 3, 4]);
    expect(await read(second, 3)).toEqual([2, 3, 4]);
  });

  it("of a log begin with what comes from now on", async () => {
    const { shared, deliver } = setUp({}, "log");
    deliver(2);
    const second = joinLate(shared);
    deliver(1);
    expect(await read(second, 1)).toEqual([3]);
  });

  it.each<ServiceKind>(["value", "log"])(
    "of a %s wait for no slow one, which is told what it lost",
    async (kind) => {
      const { shared, first, credits, deliver } = setUp({ maxQueued: 10 }, kind);
      const quick = joinLate(shared, { maxQueued: 10 });
      const heard: number[] = [];
      const missed: number[] = [];
      quick.on("update", ({ value }) => heard.push(value));
      first.on(kind === "log" ? "lost" : "conflated", ({ from, reason }) => {
        expect(reason).toBe("consumer");
        missed.push(from);
      });
      for (let i = 0; i < 50; i++) deliver(1);
      expect(heard).toHaveLength(50);
      expect(credits.at(-1)?.total).toBeGreaterThan(1_000);
      expect(missed).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
      expect(await read(first, 10)).toEqual([41, 42, 43, 44, 45, 46, 47, 48, 49, 50]);
    },
  );

  it("end one by one; the last one unsubscribes, and a `parse` that throws ends its own", async () => {
    const { shared, first, stop, deliver } = setUp();
    const ended = vi.fn();
    const strict = shared.join({
      parse: () => {
        throw new Error("no number");
      },
    });
    strict.on("ended", ended);
    deliver(1);
    expect(ended).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: "unencodable" }));
    const second = joinLate(shared);
    await first.stop();
    await first.stop();
    expect([first.ended, second.ended, shared.ended]).toEqual([true, false, false]);
    expect(stop).not.toHaveBeenCalled();
    deliver(1);
    expect(await read(second, 2)).toEqual([1, 2]);
    await second.stop();
    expect(stop).toHaveBeenCalledOnce();
    expect(shared.ended).toBe(true);
  });

  it("have the same options, and change them together", async () => {
    const { shared, first } = setUp({ windowMs: 100, deadband: 1 });
    for (const options of [
      {},
      { windowMs: 100 },
      { windowMs: 60 },
      { deadband: 1 },
      { samples: "all" as const },
    ])
      expect(() => shared.assertSame(options)).not.toThrow();
    for (const [name, options] of Object.entries({
      windowMs: { windowMs: 0 },
      deadband: { deadband: null },
      fields: { fields: ["a"] },
      since: { since: "first" as const },
    }))
      expect(() => shared.assertSame(options), name).toThrow(`with another \`${name}\``);
    const second = joinLate(shared);
    await second.change({ windowMs: 500 });
    expect([first.windowMs, second.windowMs]).toEqual([500, 500]);
  });

  it("hear of each other's link, but not of each other's exceptions", () => {
    const { shared, first, deliver } = setUp();
    const uncaught: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => uncaught.push(error));
    first.on("update", () => {
      throw new Error("mine");
    });
    const second = joinLate(shared);
    const [heard, statuses] = [vi.fn(), vi.fn()];
    second.on("update", heard);
    second.on("status", statuses);
    deliver(1);
    shared.interrupt("disconnected");
    expect(heard).toHaveBeenCalledOnce();
    expect(statuses).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ status: "disconnected" }));
    expect(uncaught).toHaveLength(1);
    vi.unstubAllGlobals();
  });
});

describe("a subscription to a map", () => {
  it("ends if the program named a position, whose map it does not have, and disturbs nothing else", () => {
    const { shared, first, stop } = setUp({ since: { epoch: 7, offset: 3 } }, "map");
    const ended = vi.fn();
    first.on("ended", ended);
    const entries = [{ position: 4, key: "a", value: 1 }];
    const frame = { type: "snapshot", alias: 0, form: "rows", payload: new Uint8Array(0) } as const;
    shared.deliverSnapshot({ ...frame, epoch: 7, from: 4, to: 4, begins: false, left: 0 }, entries);
    expect(ended).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: "invalid-options" }));
    expect(stop).toHaveBeenCalledOnce();
  });

  it("that a pattern brought begins with the whole map, whatever the group's `since`", () => {
    const { shared, first } = setUp({ since: { epoch: 7, offset: 3 } }, "map");
    const frame = { type: "snapshot", alias: 0, form: "rows", payload: new Uint8Array(0) } as const;
    shared.deliverSnapshot({ ...frame, epoch: 7, from: 1, to: 4, begins: true, left: 0 }, [
      { position: 4, key: "a", value: 1 },
    ]);
    expect([[...first.map], first.synced, first.ended]).toEqual([[["a", 1]], true, false]);
  });

  it("is not up to date while it is given back for a pause, and says when it is again", () => {
    const { shared, first } = setUp({}, "map");
    const synced = vi.fn();
    first.on("synced", synced);
    const head = { type: "snapshot", alias: 0, epoch: 7, form: "rows", payload: new Uint8Array() } as const;
    shared.deliverSnapshot({ ...head, from: 1, to: 3, begins: true, left: 0 }, []);
    expect([first.synced, synced.mock.calls.length]).toEqual([true, 1]);
    shared.resting();
    expect([first.synced, shared.since]).toEqual([false, { epoch: 7, offset: 3 }]);
    shared.begin(shared.wanted.credit);
    shared.deliverSnapshot({ ...head, from: 4, to: 8, begins: false, left: 5 }, [
      { position: 5, key: "a", value: 1 },
    ]);
    expect([first.synced, first.map.size, synced.mock.calls.length]).toEqual([false, 0, 1]);
    shared.deliverSnapshot({ ...head, from: 9, to: 9, begins: false, left: 0 }, []);
    expect([first.synced, first.map.size, synced.mock.calls.length]).toEqual([true, 1, 2]);
  });
});

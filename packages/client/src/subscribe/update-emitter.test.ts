import { WHOLE } from "@stanzapack/wire";
import { afterEach, describe, expect, it, vi } from "vitest";
import { SharedSubscription } from "./shared-subscription.js";
import type { Subscription } from "./subscription.js";
import type { Update } from "./subscription-events.js";
import { SubscriptionGroup } from "./subscription-group.js";

function catchUncaught(): unknown[] {
  const errors: unknown[] = [];
  vi.stubGlobal("reportError", (error: unknown) => errors.push(error));
  return errors;
}
afterEach(() => vi.unstubAllGlobals());

const soonOver = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function setUp() {
  const shared = new SharedSubscription(
    "alice@x/temp",
    {},
    {
      change: (_, windowMs, selection) => Promise.resolve({ subid: "1", windowMs, selection }),
      stop: () => Promise.resolve(),
      credit: () => undefined,
    },
  );
  const subscription = shared.join<number>({ maxQueued: 100 });
  shared.begin(100);
  shared.bound({
    ...{ type: "bind", role: "subscription", alias: 1, node: subscription.node, subid: "1" },
    ...{ kind: "value", baseAt: 0 },
  });
  shared.applyGrant({ subid: "1", windowMs: 0, selection: WHOLE });
  const group = new SubscriptionGroup<number>([], {
    change: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  });
  let offset = 0;
  const deliver = (...rows: number[]): void => {
    shared.deliver({ epoch: 1, from: offset + 1, to: offset + rows.length, at: 0, spanMs: 0, rows });
    offset += rows.length;
  };
  const skip = (count: number): void => void (offset += count);
  return { subscription, group, deliver, skip };
}

describe.each(["subscription", "group"] as const)("a %s", (which) => {
  function create() {
    const { subscription, group, deliver, skip } = setUp();
    if (which === "group") group.add(subscription);
    // A program reads both in the same ways.
    const it = (which === "group" ? group : subscription) as Subscription<number>;
    return { it, deliver, skip, subscription, group, seen: [] as number[] };
  }

  it.each(["on", "addListener"] as const)("gives to `%s` what waits, and then what comes", (way) => {
    const { it, deliver, seen } = create();
    deliver(1, 2, 3);
    const context = { seen };
    it[way](
      "update",
      function (this: typeof context, { value }: Update<number>) {
        this.seen.push(value);
      },
      context,
    );
    expect(seen).toEqual([1, 2, 3]);
    deliver(4);
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it("gives to `once` one update, whether it waits or comes, and the next to the next", async () => {
    const { it, deliver, seen } = create();
    deliver(1, 2);
    it.once("update", ({ value }) => seen.push(value));
    it.once("update", ({ value }) => seen.push(value));
    it.once("update", ({ value }) => seen.push(value));
    expect(seen).toEqual([1, 2]);
    deliver(3, 4);
    expect(seen).toEqual([1, 2, 3]);
    expect((await it[Symbol.asyncIterator]().next()).value).toMatchObject({ value: 4 });
  });

  it("tells what happened before anybody had it, and gives updates after that", async () => {
    const { it, deliver, skip, subscription, group } = create();
    for (const held of [subscription, group]) held.hold();
    deliver(1);
    skip(2);
    deliver(4);
    skip(1);
    deliver(6);
    for (const held of [subscription, group]) held.handOut();
    const told: unknown[] = [];
    it.on("update", ({ value }) => {
      told.push(value);
      // The new update arrives behind the waiting ones.
      if (value === 1) deliver(7);
    });
    it.on("lost", ({ from, to }) => told.push(`lost ${from} to ${to}`));
    expect(told).toEqual([]);
    await soonOver();
    expect(told).toEqual(["lost 2 to 3", "lost 5 to 5", 1, 4, 6, 7]);
    skip(1);
    deliver(9);
    expect(told.slice(6)).toEqual(["lost 8 to 8", 9]);
  });

  it("joins ranges that follow each other while nobody has it, and tells its end", async () => {
    const { it, deliver, subscription, group } = create();
    for (const held of [subscription, group]) held.hold();
    deliver(...Array.from({ length: 150 }, (_, i) => i));
    subscription.finish(undefined);
    for (const held of [subscription, group]) held.handOut();
    const told: string[] = [];
    it.on("conflated", ({ from, to, reason }) => told.push(`${from} to ${to}, ${reason}`));
    it.on("ended", () => told.push("ended"));
    await soonOver();
    expect(told).toEqual(["1 to 50, consumer", "ended"]);
    expect(it.ended).toBe(true);
  });

  it("keeps what comes after the last listener is gone", () => {
    const { it, deliver, seen } = create();
    const listener = ({ value }: Update<number>): void => void seen.push(value);
    it.on("update", listener);
    deliver(1);
    it.off("update", listener);
    deliver(2, 3);
    it.addListener("update", listener);
    expect(seen).toEqual([1, 2, 3]);
  });

  it("loses nothing, and keeps the order, when a listener throws on what waits", () => {
    const { it, deliver, seen } = create();
    const uncaught = catchUncaught();
    deliver(1, 2, 3);
    it.once("update", () => {
      throw new Error("mine");
    });
    it.addListener("update", ({ value }) => {
      seen.push(value);
      if (value === 2) throw new Error("mine again");
    });
    deliver(4);
    expect(seen).toEqual([2, 3, 4]);
    expect(uncaught).toMatchObject([{ message: "mine" }, { message: "mine again" }]);
  });

  it("refuses to be iterated while it is listened to, before and after", async () => {
    const { it, deliver, seen } = create();
    const waiting = it[Symbol.asyncIterator]().next();
    const listener = ({ value }: Update<number>): void => void seen.push(value);
    it.on("update", listener);
    const refusal = { code: "usage", message: expect.stringContaining("remove the listener") };
    await expect(waiting).rejects.toMatchObject(refusal);
    await expect(
      (async () => {
        for await (const { value } of it) seen.push(-value);
      })(),
    ).rejects.toMatchObject(refusal);
    deliver(1);
    expect(seen).toEqual([1]);
    it.off("update", listener);
    deliver(2);
    expect((await it[Symbol.asyncIterator]().next()).value).toMatchObject({ value: 2 });
  });
});

it("a subscription that a listener ends gives it no more of what waits", () => {
  const { subscription, deliver } = setUp();
  const seen: number[] = [];
  deliver(1, 2, 3);
  subscription.on("update", ({ value }) => {
    seen.push(value);
    if (value === 2) void subscription.stop();
  });
  expect(seen).toEqual([1, 2]);
});

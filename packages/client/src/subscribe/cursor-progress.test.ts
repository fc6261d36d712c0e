import { WHOLE, type CreditFrame } from "@stanzapack/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SubscribeOptions } from "../options/subscribe-options.js";
import { CursorProgress } from "./cursor-progress.js";
import { SharedSubscription } from "./shared-subscription.js";
import { SubscriptionGroup } from "./subscription-group.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

describe("the progress of a cursor", () => {
  it("counts the rows since BIND that were taken, also those that came before", () => {
    const progress = new CursorProgress(() => undefined);
    progress.starts({ epoch: 1, offset: 10 });
    progress.came(1, 11, 15);
    progress.came(1, 18, 20);
    const counts = [11, 15, 17, 18, 12].map((offset) => {
      progress.take({ epoch: 1, offset });
      return progress.rows;
    });
    expect(counts).toEqual([1, 5, 5, 6, 6]);
    // The component begins behind what it knows, and sends some of it again.
    progress.begin();
    progress.starts({ epoch: 1, offset: 13 });
    progress.came(1, 14, 20);
    expect([progress.rows, progress.taken]).toEqual([5, { epoch: 1, offset: 18 }]);
    progress.take({ epoch: 1, offset: 20 });
    expect(progress.rows).toBe(7);
  });

  it("counts rows of a map all together", () => {
    const progress = new CursorProgress(() => undefined);
    progress.starts({ epoch: 1, offset: 0 });
    progress.cameTogether(1, 3, 50);
    progress.cameTogether(1, 0, 60);
    progress.cameTogether(1, 2, 61);
    const counts = [49, 50, 60, 61].map((offset) => {
      progress.take({ epoch: 1, offset });
      return progress.rows;
    });
    expect(counts).toEqual([0, 3, 3, 5]);
  });

  it("goes on in another epoch", () => {
    const progress = new CursorProgress(() => undefined);
    progress.came(1, 1, 5);
    progress.take({ epoch: 1, offset: 3 });
    progress.begin();
    progress.came(2, 1, 2);
    // The program still has rows of the old epoch.
    progress.take({ epoch: 1, offset: 5 });
    expect(progress.rows).toBe(0);
    progress.take({ epoch: 2, offset: 1 });
    expect([progress.rows, progress.taken]).toEqual([1, { epoch: 2, offset: 1 }]);
  });
});

function setUp(more: SubscribeOptions<number> = {}, begun = 0) {
  const credits: number[] = [];
  const options = { cursor: "a", maxQueued: 100, ...more };
  const shared = new SharedSubscription("alice@x/log", options, {
    change: () => Promise.reject(new Error("not in this test")),
    ...{ stop: () => Promise.resolve(), credit: ({ total }: CreditFrame) => void credits.push(total) },
  });
  const subscription = shared.join<number>(options);
  const bind = (alias: number, offset: number): void => {
    shared.begin(shared.wanted.credit);
    shared.bound({
      ...{ type: "bind", role: "subscription", alias, node: shared.node, subid: "1", kind: "log", baseAt: 0 },
    });
    shared.applyGrant({ subid: "1", windowMs: 0, selection: WHOLE, begun: { epoch: 1, offset } });
  };
  bind(0, begun);
  const deliver = (from: number, to: number): void => {
    const rows = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    shared.deliver({ epoch: 1, from, to, at: 0, spanMs: 0, rows });
  };
  return { shared, subscription, credits, bind, deliver };
}

describe("a subscription with a cursor", () => {
  it("asks for its cursor, and gives credit for what was taken: when the next is asked for, within a second", async () => {
    const { shared, subscription, credits, deliver } = setUp();
    expect(shared.wanted).toMatchObject({ cursor: "a", credit: 100, since: { epoch: 1, offset: 0 } });
    deliver(1, 10);
    const iterator = subscription[Symbol.asyncIterator]();
    for (let i = 1; i <= 5; i++) expect((await iterator.next()).value?.value).toBe(i);
    expect(credits).toEqual([]);
    vi.advanceTimersByTime(1_000);
    // The fifth is still in the hands of the program.
    expect(credits).toEqual([104]);
    expect(shared.since).toEqual({ epoch: 1, offset: 4 });
    subscription.markTaken({ epoch: 1, offset: 5 });
    expect(shared.takenCredit()).toMatchObject({ total: 105 });
    vi.advanceTimersByTime(5_000);
    expect(credits).toEqual([104]);
  });

  it("gives credit to a listener that has returned, as to an iteration", () => {
    const { subscription, credits, deliver } = setUp();
    deliver(1, 3);
    const seen: number[] = [];
    subscription.on("update", ({ value }) => seen.push(value));
    deliver(4, 60);
    expect(seen).toHaveLength(60);
    expect(credits).toEqual([160]);
    // What is sent anyway carries the rest.
    deliver(61, 62);
    expect(subscription.shared.takeCredit()).toMatchObject({ total: 162 });
  });

  it("goes on behind a new BIND, which repeats what the component did not know", async () => {
    const { shared, subscription, credits, bind, deliver } = setUp();
    deliver(1, 10);
    const iterator = subscription[Symbol.asyncIterator]();
    for (let i = 1; i <= 5; i++) await iterator.next();
    shared.interrupt("disconnected");
    expect(shared.wanted).toMatchObject({ since: { epoch: 1, offset: 4 }, credit: 100 });
    bind(1, 2);
    deliver(3, 12);
    vi.advanceTimersByTime(1_000);
    expect(credits).toEqual([102]);
    const rest: (number | undefined)[] = [];
    for (let i = 6; i <= 12; i++) rest.push((await iterator.next()).value?.value);
    expect(rest).toEqual([6, 7, 8, 9, 10, 11, 12]);
    vi.advanceTimersByTime(1_000);
    expect(credits).toEqual([102, 109]);
  });

  it("begins where the cursor is, and not at `since`", () => {
    const { subscription, deliver } = setUp({ since: { epoch: 1, offset: 3 } }, 20);
    const told: string[] = [];
    subscription.on("lost", ({ from, to }) => told.push(`${from}-${to}`));
    subscription.on("update", ({ offset }) => told.push(String(offset)));
    deliver(21, 22);
    expect(told).toEqual(["21", "22"]);
  });

  it("cannot be shared", () => {
    const { shared } = setUp();
    for (const options of [{}, { cursor: "a" }])
      expect(() => shared.assertSame(options)).toThrow("cannot be shared");
  });

  it("counts in a group when the group's next update is asked for", async () => {
    const { subscription, credits, deliver } = setUp();
    const group = new SubscriptionGroup<number>([], {
      ...{ change: () => Promise.resolve(), stop: () => Promise.resolve() },
    });
    group.add(subscription);
    const iterator = group[Symbol.asyncIterator]();
    const first = iterator.next();
    deliver(1, 3);
    expect((await first).value?.value).toBe(1);
    await iterator.next();
    vi.advanceTimersByTime(1_000);
    expect(credits).toEqual([101]);
  });
});

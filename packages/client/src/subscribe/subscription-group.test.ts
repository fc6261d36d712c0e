import { StanzapackError, WHOLE, type CreditFrame } from "@stanzapack/wire";
import { describe, expect, it, vi } from "vitest";
import { SubscriptionGroup } from "./subscription-group.js";
import { SharedSubscription } from "./shared-subscription.js";
import type { Subscription } from "./subscription.js";

function setUp(owners: readonly string[] = []) {
  const host = {
    change: vi.fn(() => Promise.resolve()),
    stop: vi.fn((group: SubscriptionGroup<unknown>) => Promise.resolve(group.finish(undefined))),
  };
  const group = new SubscriptionGroup<number>(owners, host);
  const credits: CreditFrame[] = [];
  let aliases = 0;
  const member = (name: string, maxQueued = 10): Subscription<number> => {
    const shared = new SharedSubscription(
      `alice@x/${name}`,
      { maxQueued },
      {
        change: (_, windowMs, selection) => Promise.resolve({ subid: "1", windowMs, selection }),
        stop: () => Promise.resolve(),
        credit: (frame) => void credits.push(frame),
      },
    );
    const subscription = shared.join<number>({ maxQueued });
    shared.begin(maxQueued);
    const alias = aliases++;
    shared.bound({
      ...{ type: "bind", role: "subscription", alias, node: shared.node, subid: "1" },
      ...{ kind: "value", baseAt: 0 },
    });
    shared.applyGrant({ subid: "1", windowMs: 0, selection: WHOLE });
    group.add(subscription);
    return subscription;
  };
  const deliver = (subscription: Subscription<number>, from: number, ...rows: number[]): void =>
    subscription.shared.deliver({ epoch: 1, from, to: from + rows.length - 1, at: 0, spanMs: 0, rows });
  const take = async (count: number): Promise<string[]> => {
    const taken: string[] = [];
    const iterator = group[Symbol.asyncIterator]();
    for (let i = 0; i < count; i++) {
      const next = await iterator.next();
      if (next.done === true) return [...taken, "end"];
      taken.push(`${next.value.node.slice(8)}${next.value.value}`);
    }
    return taken;
  };
  return { group, host, credits, member, deliver, take };
}

describe("a group of subscriptions", () => {
  it("is iterated one after another, each in its order, so that a fast one leaves room for the others", async () => {
    const { member, deliver, take } = setUp();
    const [a, b] = [member("a"), member("b")];
    deliver(a, 1, 1, 2, 3);
    deliver(b, 1, 1);
    expect(await take(4)).toEqual(["a1", "b1", "a2", "a3"]);
    const waiting = take(2);
    deliver(b, 2, 2);
    deliver(a, 4, 4);
    expect(await waiting).toEqual(["b2", "a4"]);
  });

  it("bounds what waits for each, and tells what gave way", async () => {
    const { group, member, deliver, take } = setUp();
    const a = member("a", 2);
    const told = vi.fn();
    group.on("conflated", told);
    deliver(a, 1, 1, 2, 3);
    expect(told.mock.calls).toEqual([[{ node: "alice@x/a", from: 1, to: 1, reason: "consumer" }]]);
    expect(await take(2)).toEqual(["a2", "a3"]);
  });

  it("gives credit for each as it is read, by iteration or by a listener", async () => {
    const { group, credits, member, deliver, take } = setUp();
    const [a, b] = [member("a", 4), member("b", 4)];
    deliver(a, 1, 1, 2, 3, 4);
    deliver(b, 1, 1);
    expect(credits).toEqual([]);
    await take(3);
    expect(credits).toEqual([{ type: "credit", alias: 0, total: 6 }]);
    group.on("update", () => undefined);
    expect(credits.at(-1)).toEqual({ type: "credit", alias: 0, total: 8 });
    deliver(b, 2, 2);
    expect(credits.slice(2)).toEqual([{ type: "credit", alias: 1, total: 6 }]);
  });

  it("gives what waits to a listener, who takes over", () => {
    const { group, member, deliver } = setUp();
    const a = member("a");
    deliver(a, 1, 1);
    const seen: number[] = [];
    group.on("update", ({ value }) => seen.push(value));
    deliver(a, 2, 2);
    expect(seen).toEqual([1, 2]);
  });

  it("goes on while one is left, and ends with what ended the last, after what waits", async () => {
    const { group, member, deliver, take } = setUp();
    const [a, b] = [member("a"), member("b")];
    const gone = vi.fn();
    group.on("unsubscribed", gone);
    const withdrawn = new StanzapackError("withdrawn", "gone");
    a.finish(withdrawn);
    expect(group.ended).toBe(false);
    deliver(b, 1, 1);
    b.finish(withdrawn);
    expect(gone.mock.calls.map(([node]) => node as string)).toEqual(["alice@x/a", "alice@x/b"]);
    expect(await take(1)).toEqual(["b1"]);
    await expect(take(1)).rejects.toBe(withdrawn);
    expect(group.subscriptions.size).toBe(0);
  });

  it("with a pattern waits for more, but not for what was stopped", async () => {
    const { group, member, take } = setUp(["alice@x"]);
    const a = member("a");
    await a.stop();
    expect([...group.left]).toEqual(["alice@x/a"]);
    expect(group.ended).toBe(false);
    const end = take(1);
    await group.stop();
    expect(await end).toEqual(["end"]);
    await expect(group.change({ windowMs: 5 })).rejects.toMatchObject({ code: "stopped" });
  });

  it("keeps why one was refused, which is none of its ends", () => {
    const { group, member } = setUp();
    const [a] = [member("a"), member("b")];
    const gone = vi.fn();
    group.on("unsubscribed", gone);
    const error = new StanzapackError("not-allowed", "no");
    group.refuse(a.node, error);
    a.finish(error);
    expect([...group.refused]).toEqual([["alice@x/a", error]]);
    expect([...group.subscriptions.keys()]).toEqual(["alice@x/b"]);
    expect(gone).not.toHaveBeenCalled();
  });
});

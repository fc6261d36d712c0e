import { grantSelection, StanzapackError, type Selection } from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import { SharedSubscription } from "./shared-subscription.js";
import type { Subscription } from "./subscription.js";
import type { StatusEvent } from "./subscription-events.js";

function setUp() {
  const asked: (Selection & { windowMs: number })[] = [];
  let refuses = false;
  const shared = new SharedSubscription(
    "alice@example.test/temp",
    { windowMs: 100, deadband: 1, fields: ["a"] },
    {
      async change(_, windowMs, selection) {
        await Promise.resolve();
        if (refuses) throw new StanzapackError("limit-exceeded", "too many selections");
        asked.push({ windowMs, ...selection });
        return { subid: "1", windowMs, selection: grantSelection(selection, windowMs) };
      },
      stop: () => Promise.resolve(),
      credit: () => undefined,
    },
  );
  const selection = shared.askedSelection;
  shared.applyGrant({ subid: "1", windowMs: 100, selection });
  const subscription: Subscription<unknown> = shared.join({});
  return { shared, subscription, asked, refuse: (value: boolean): void => void (refuses = value) };
}

describe("a subscription's selection", () => {
  it("changes by what is named, one change after another, and null takes an option back", async () => {
    const { subscription, asked } = setUp();
    await Promise.all([
      subscription.change({ windowMs: 200 }),
      subscription.change({ maxRate: 5, heartbeatMs: 7_000 }),
      subscription.change({ deadband: null, samples: "latest" }),
    ]);
    expect(asked.at(-1)).toEqual({
      ...{ windowMs: 200, samples: "latest", maxRate: 5, deadband: null, heartbeatMs: 7_000 },
      ...{ fields: ["a"], keys: null, prefix: null },
    });
    expect(asked).toHaveLength(3);
    expect(subscription.windowMs).toBe(200);
    expect(subscription.selection).toMatchObject({ heartbeatMs: 5_000, fields: ["a"] });
  });

  it("stays as it was when a change is refused, here or there, and takes the next one", async () => {
    const { subscription, asked, refuse } = setUp();
    await expect(subscription.change({ deadband: -1 })).rejects.toMatchObject({ code: "invalid-options" });
    refuse(true);
    await expect(subscription.change({ deadband: 2 })).rejects.toMatchObject({ code: "limit-exceeded" });
    refuse(false);
    await subscription.change({ windowMs: 0 });
    expect(asked).toEqual([
      {
        ...{ windowMs: 0, samples: "all", maxRate: null, fields: ["a"], deadband: 1, heartbeatMs: null },
        ...{ keys: null, prefix: null },
      },
    ]);
  });

  it("tells what it left out, and a publisher's status again as a sign of life", () => {
    const { shared, subscription } = setUp();
    const reasons: string[] = [];
    const statuses: StatusEvent[] = [];
    subscription.on("conflated", ({ reason }) => reasons.push(reason));
    subscription.on("status", (event) => statuses.push(event));
    subscription.on("update", () => undefined);
    const at = { epoch: 1, at: 0, spanMs: 0 };
    shared.deliver({ ...at, from: 1, to: 1, rows: [1] });
    shared.deliver({ ...at, from: 2, to: 9, rows: [3] });
    expect(reasons).toEqual(["selection"]);
    shared.publisherIs("online", null);
    shared.publisherIs("offline", null);
    shared.publisherIs("offline", null);
    expect(statuses.map(({ status }) => status)).toEqual(["online", "offline", "offline"]);
  });
});

describe("a subscription's credit", () => {
  it("goes on in totals when it is asked for again while it is bound, and begins anew on the next link", () => {
    const { shared, subscription } = setUp();
    const bind = { type: "bind", role: "subscription", node: subscription.node, subid: "1" } as const;
    shared.begin(shared.wanted.credit);
    shared.bound({ ...bind, alias: 0, kind: "value", baseAt: 0 });
    const total = shared.credit.total;
    subscription.on("update", () => undefined);
    const rows = Array.from({ length: total }, (_, i) => i);
    shared.deliver({ epoch: 1, at: 0, spanMs: 0, from: 1, to: total, rows });
    expect(shared.credit.total).toBeGreaterThan(total);
    const told = shared.credit.total;
    expect(shared.wanted.credit).toBe(told);
    shared.begin(told);
    expect(shared.takeCredit()).toBeUndefined();
    shared.interrupt("disconnected");
    expect(shared.wanted.credit).toBe(shared.credit.room);
  });
});

import { describe, expect, it, vi } from "vitest";
import type { Service } from "../catalog/service.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { NewestValues } from "../fanout/newest-values.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { Start } from "./kind.js";
import { ValueKind } from "./value.js";

const NOW = 1_000;
const EPOCH = 7;

/** A subscription at position 4. `calls` lists what the kind did with it, in order. */
function setUp(online = true) {
  const calls: unknown[] = [];
  const service = { record: { epoch: EPOCH }, online } as Service;
  const lane = { add: () => calls.push("lane") };
  const subscription = { service, lane, position: 4, detached: true } as unknown as Subscription;
  const fanOut = { book: () => calls.push("book") } as unknown as FanOut;
  const newest = {
    send: (_: Subscription, from: number | undefined) => calls.push(`newest from ${from}`),
    awaitFresh: (_: Subscription, now: number) => calls.push(`await at ${now}`),
  } as unknown as NewestValues;
  return { kind: new ValueKind(fanOut, newest), subscription, calls };
}

describe("a subscription to a value", () => {
  const begun = (start: Partial<Start>, online?: boolean): unknown[] => {
    const { kind, subscription, calls } = setUp(online);
    kind.begin(subscription, { since: undefined, standing: undefined, isLive: true, now: NOW, ...start });
    expect([calls[0], calls.at(-1)]).toEqual(["lane", "book"]);
    return calls.slice(1, -1);
  };

  it("begins with the newest value, or with the one by which the publisher answers new demand", () => {
    expect(begun({})).toEqual(["newest from undefined"]);
    expect(begun({ isLive: false })).toEqual([`await at ${NOW}`]);
    expect(begun({ isLive: false }, false)).toEqual(["newest from undefined"]);
  });

  it("goes on from where it stood in this life of the service", () => {
    const here = { epoch: EPOCH, offset: 3 };
    expect(begun({ standing: here })).toEqual(["newest from 4"]);
    expect(begun({ standing: here, isLive: false })).toEqual(["newest from 4", `await at ${NOW}`]);
    expect(begun({ standing: { ...here, epoch: EPOCH + 1 } })).toEqual(["newest from undefined"]);
  });

  it("comes back to its lane behind the newest value", () => {
    const { kind, subscription, calls } = setUp();
    kind.comeBack(subscription, NOW);
    expect(calls).toEqual(["newest from 5", "lane", "book"]);
    expect(subscription.detached).toBe(false);
  });
});

it("a value keeps nothing, and owes nothing once it is withdrawn", () => {
  const kind = new ValueKind(vi.fn() as never, vi.fn() as never);
  expect([kind.hasHistory, kind.ownWindowMs, kind.hasRest()]).toEqual([false, null, false]);
});

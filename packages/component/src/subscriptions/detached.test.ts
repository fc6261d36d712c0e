import { expect, it, vi } from "vitest";
import type { FanOut } from "../fanout/fan-out.js";
import type { NewestValues } from "../fanout/newest-values.js";
import type { Logs } from "../kinds/logs.js";
import type { ClientLink } from "../links/client-link.js";
import { DetachedSubscriptions } from "./detached.js";
import { Subscription } from "./subscription.js";

const NOW = 1_000;

/** A link with detached subscriptions of aliases 0 and up, each at position 7, with credit for `credits` rows. */
function setUp(kind: "value" | "log", ...credits: number[]) {
  const calls = { book: vi.fn(), send: vi.fn(), resume: vi.fn(), add: vi.fn() };
  const detached = new DetachedSubscriptions(
    ...([calls as unknown as FanOut, calls as unknown as NewestValues, calls as unknown as Logs] as const),
  );
  const link = {
    ...{ maySendData: true, detached: new Set(), subscriptions: new Map() },
    isRetired: (alias: number) => alias === 90,
  } as unknown as ClientLink & { maySendData: boolean };
  const service = { journal: kind === "log" ? {} : undefined };
  const subscriptions = credits.map((credit, alias) => {
    const lane = { add: calls.add };
    const subscription = new Subscription(
      ...([link, service as never, alias, "s", lane as never, credit] as const),
    );
    Object.assign(subscription, { detached: true, position: 7 });
    link.detached.add(subscription);
    link.subscriptions.set(alias, subscription);
    return subscription;
  });
  const credit = (alias: number | null, total: number): void =>
    detached.credit(link, { type: "credit", alias, total } as never, NOW);
  return { detached, link, subscriptions, calls, credit };
}

it("sends the newest value from where a subscription stands, and puts it back on its lane", () => {
  const { detached, link, subscriptions, calls } = setUp("value", 1, 0);
  const [ready, without] = subscriptions as [Subscription, Subscription];
  detached.reattach(link, NOW);
  expect(calls.send.mock.calls).toEqual([[ready, 8]]);
  expect(calls.add.mock.calls).toEqual([[ready]]);
  expect(calls.book.mock.calls).toEqual([[ready.lane, NOW, false]]);
  expect([ready.detached, without.detached, [...link.detached]]).toEqual([false, true, [without]]);
});

it("brings a subscription of a log back from the journal", () => {
  const { detached, link, subscriptions, calls } = setUp("log", 1);
  detached.reattach(link, NOW);
  expect(calls.resume.mock.calls).toEqual([[subscriptions[0]]]);
  expect([calls.send.mock.calls.length, calls.add.mock.calls.length, link.detached.size]).toEqual([0, 0, 0]);
});

it("goes on with new credit, but not before the link takes data, and then only as long as it does", () => {
  const { detached, link, subscriptions, calls, credit } = setUp("value", 0, 0);
  link.maySendData = false;
  credit(0, 5);
  credit(1, 5);
  detached.reattach(link, NOW);
  expect(calls.send).not.toHaveBeenCalled();
  link.maySendData = true;
  calls.send.mockImplementation(() => (link.maySendData = false));
  detached.reattach(link, NOW);
  expect(calls.send.mock.calls).toEqual([[subscriptions[0], 8]]);
  link.maySendData = true;
  // A late total changes nothing, but the link takes data now.
  credit(1, 2);
  expect(calls.send.mock.calls[1]).toEqual([subscriptions[1], 8]);
});

it("ignores credit for a subscription that has ended, and refuses it for one that never was", () => {
  const { credit } = setUp("value");
  expect(() => credit(90, 5)).not.toThrow();
  for (const alias of [null, 91])
    expect(() => credit(alias, 5)).toThrow(
      expect.objectContaining({ code: "unknown-alias", origin: "peer" }),
    );
});

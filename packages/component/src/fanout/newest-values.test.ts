import { expect, it, vi } from "vitest";
import { createService } from "../testing/create-service.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { FanOut } from "./fan-out.js";
import { NewestValues } from "./newest-values.js";
import type { ReadyBody } from "./ready-body.js";

function setUp() {
  const sendLast =
    vi.fn<(to: Subscription, from: number | undefined, cache: Map<string, ReadyBody>) => void>();
  const newest = new NewestValues({ sendLast } as unknown as FanOut);
  const service = createService();
  const [first, second] = [0, 1].map(() => ({ service, awaitingSince: 0 }) as Subscription) as [
    Subscription,
    Subscription,
  ];
  const sent = (): [Subscription, number | undefined][] =>
    sendLast.mock.calls.map(([to, from]) => [to, from]);
  const caches = (): Map<string, ReadyBody>[] => sendLast.mock.calls.map(([, , cache]) => cache);
  return { newest, service, first, second, sent, caches };
}

it("shares the bodies of one offset, and begins anew with the next", () => {
  const { newest, service, first, second, sent, caches } = setUp();
  newest.send(first, 3);
  newest.send(second, undefined);
  service.record.offset++;
  newest.send(first, 5);
  expect(sent()).toEqual([
    [first, 3],
    [second, undefined],
    [first, 5],
  ]);
  const [one, two, three] = caches();
  expect(two).toBe(one);
  expect(three).not.toBe(one);
});

it("gives all that await a fresh value the last known one, once it is clear that none comes", () => {
  const { newest, service, first, second, sent } = setUp();
  newest.awaitFresh(first, 1_000);
  newest.awaitFresh(second, 1_900);
  newest.settleLate(service, 1_999);
  expect(sent()).toEqual([]);
  newest.settleLate(service, 2_000);
  newest.settleLate(service, 5_000);
  newest.settle(service);
  expect(sent()).toEqual([
    [first, undefined],
    [second, undefined],
  ]);
});

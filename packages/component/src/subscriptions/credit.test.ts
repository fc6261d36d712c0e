import { expect, it, vi } from "vitest";
import type { Lane } from "../fanout/lane.js";
import type { ClientLink, LinkSubscription } from "../links/client-link.js";
import { LinkOutlet } from "../links/link-outlet.js";
import { createService } from "../testing/create-service.js";
import { raiseCredit, reattach, takeCredit } from "./credit.js";
import { Subscription } from "./subscription.js";

const NOW = 1_000;
const NO_CURSORS = { move: () => undefined };

/** A link with detached subscriptions of aliases 0 and up, with credit for `credits` rows. */
function setUp(...credits: number[]) {
  const comeBack = vi.fn();
  const link = {
    ...{ maySendData: true, detached: new Set(), subscriptions: new Map(), taken: new Map() },
    ...{ isRetired: (alias: number) => alias === 90, maySendDataAt: () => link.maySendData },
    sendFrame: () => undefined,
  } as unknown as ClientLink & { maySendData: boolean };
  const service = createService({ kind: { comeBack } });
  const subscriptions = credits.map((credit, alias) => {
    const outlet = new LinkOutlet(link, alias);
    const subscription = new Subscription(outlet, service, "s", {} as Lane<Subscription>, credit);
    outlet.open(subscription);
    outlet.awaitRoom();
    return subscription;
  });
  return { link, subscriptions, comeBack };
}

it("brings back each subscription that has credit, once acknowledgements came", () => {
  const { link, subscriptions, comeBack } = setUp(1, 0);
  reattach(link, NOW);
  reattach(link, NOW);
  expect(comeBack.mock.calls).toEqual([[subscriptions[0], NOW]]);
  expect([...link.detached]).toEqual([subscriptions[1]]);
});

it("brings none back before the link takes data, and then only as long as it does", () => {
  const { link, subscriptions, comeBack } = setUp(0, 0);
  const [first, second] = subscriptions as [LinkSubscription, LinkSubscription];
  link.maySendData = false;
  for (const subscription of subscriptions) raiseCredit(subscription, 5, NOW);
  reattach(link, NOW);
  expect(comeBack).not.toHaveBeenCalled();
  link.maySendData = true;
  comeBack.mockImplementation(() => (link.maySendData = false));
  reattach(link, NOW);
  expect(comeBack.mock.calls).toEqual([[first, NOW]]);
  link.maySendData = true;
  // A late total changes nothing, but the link accepts data now.
  takeCredit(link, { type: "credit", alias: 1, total: 2 }, NOW, NO_CURSORS);
  expect(comeBack.mock.calls[1]).toEqual([second, NOW]);
});

it("ignores credit for a subscription that has ended, and refuses it for one that never was", () => {
  const { link } = setUp();
  const credit = (alias: number | null): void =>
    takeCredit(link, { type: "credit", alias, total: 5 }, NOW, NO_CURSORS);
  expect(() => credit(90)).not.toThrow();
  for (const alias of [null, 91])
    expect(() => credit(alias)).toThrow(expect.objectContaining({ code: "unknown-alias", origin: "peer" }));
});

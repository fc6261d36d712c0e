import { wallAheadMs } from "@stanzapack/xmpp";
import type { Service } from "../catalog/service.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { FanOut } from "./fan-out.js";
import type { ReadyBody } from "./ready-body.js";

/** How long a publisher has to answer new demand, in ms. Then subscribers receive the last known value. */
const FRESH_VALUE_MS = 1_000;

/** Sends single subscribers the newest value of their service, and keeps those that wait for their first value. */
export class NewestValues {
  constructor(private readonly fanOut: FanOut) {}

  /**
   * Sends the newest value for the positions from `from` on, or for its own position alone. Sends nothing to a
   * subscriber that has the value already.
   */
  send(subscription: Subscription, from: number | undefined): void {
    this.fanOut.sendLast(subscription, from, bodiesOf(subscription.service));
  }

  /** The subscriber waits until the publisher has answered the new demand. */
  awaitFresh(subscription: Subscription, now: number): void {
    subscription.awaitingSince = now;
    subscription.service.awaiting.add(subscription);
  }

  /** The publisher has nothing newer: every subscriber that waits receives the last known value. */
  settle(service: Service): void {
    for (const subscription of service.awaiting) this.send(subscription, undefined);
    service.awaiting.clear();
  }

  /** Once a second for each service: nobody waits longer than `FRESH_VALUE_MS`. */
  settleLate(service: Service, now: number): void {
    const [longest] = service.awaiting;
    if (longest !== undefined && now - longest.awaitingSince >= FRESH_VALUE_MS) this.settle(service);
  }
}

/** Returns the bodies of the newest value, which all subscribers share that join, or come back, at one offset. */
function bodiesOf(service: Service): Map<string, ReadyBody> {
  // The bodies say when the value arrived, by the wall clock.
  const aheadMs = wallAheadMs();
  const { newest } = service;
  const { offset } = service.record;
  if (newest?.offset === offset && newest.aheadMs === aheadMs) return newest.bodies;
  const bodies = new Map<string, ReadyBody>();
  service.newest = { offset, aheadMs, bodies };
  return bodies;
}

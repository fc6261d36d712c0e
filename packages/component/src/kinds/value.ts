import { wallAheadMs } from "@stanzapack/xmpp";
import type { Later } from "../base/later.js";
import type { Service } from "../catalog/service.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { Lane } from "../fanout/lane.js";
import type { NewestValues } from "../fanout/newest-values.js";
import type { Arrival } from "../fanout/selector.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { Kind, Start } from "./kind.js";

/** Services of kind `value`: the newest value stands for all before it. One object serves all of them. */
export class ValueKind implements Kind {
  readonly hasHistory = false;
  readonly hasCursors = false;
  readonly keepsUpdates = false;
  readonly ownWindowMs = null;

  constructor(
    private readonly fanOut: FanOut,
    private readonly newest: NewestValues,
  ) {}

  begin(subscription: Subscription, { standing, isLive, now }: Start): void {
    const { lane, service } = subscription;
    lane.add(subscription);
    const known = standing?.epoch === service.record.epoch;
    // Updates that came meanwhile count as left out: the newest value stands for them.
    if (known) this.newest.send(subscription, standing.offset + 1);
    // The last known value is from before anyone subscribed. The publisher answers new demand with its newest value.
    if (service.online && !isLive) this.newest.awaitFresh(subscription, now);
    else if (!known) this.newest.send(subscription, undefined);
    // Something may have come while the lane had no subscriber.
    this.fanOut.book(lane, now, false);
  }

  /** A value keeps nothing but `ServiceRecord.last`. */
  keep({ record }: Service, arrival: Arrival): Later<void> {
    if (record.stored === undefined) return;
    const { row, at } = arrival.copyNewest();
    return record.stored.write({
      offset: arrival.to,
      last: { row, at: at + wallAheadMs() },
      incarnations: record.incarnations.listAsStored(),
    });
  }

  kept(): void {}

  comeBack(subscription: Subscription, now: number): void {
    subscription.detached = false;
    // Many subscribers come back at once. Those at the same position receive the same body.
    this.newest.send(subscription, subscription.position + 1);
    subscription.lane.add(subscription);
    // Something may have come while the lane had no subscriber.
    this.fanOut.book(subscription.lane, now, false);
  }

  setAside(lane: Lane<Subscription>): void {
    this.fanOut.setAside(lane);
  }

  hasRest(): boolean {
    return false;
  }

  withdraw(): void {}
}

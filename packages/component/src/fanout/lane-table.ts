import { StanzapackError, WHOLE, type Selection } from "@stanzapack/wire";
import type { Logger } from "pino";
import type { ComponentStats } from "../base/stats.js";
import type { Budgets } from "../budgets/budgets.js";
import type { ComponentLimits } from "../config/config.js";
import type { Service } from "../catalog/service.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { FanOut } from "./fan-out.js";
import { formatLaneKey, formatSelection, Lane, type LaneContext, type LaneKey } from "./lane.js";
import type { Subscriber } from "./outlet.js";

/** Begins and ends the lanes of all services. Keeps each lane in the budget of one of its links. */
export class LaneTable {
  constructor(
    private readonly fanOut: FanOut,
    private readonly context: LaneContext,
    private readonly budgets: Budgets,
    private readonly limits: ComponentLimits,
    private readonly stats: ComponentStats,
    private readonly log: Logger,
  ) {}

  /**
   * Returns the lane of this key. If the service has none, begins one in the budget of `payer`. The caller counts the
   * new member. `left`: the lane that the subscriber leaves for this one. Throws `limit-exceeded`.
   */
  laneFor(
    service: Service,
    key: LaneKey,
    payer: Subscriber,
    now: number,
    left?: Lane<Subscription>,
  ): Lane<Subscription> {
    const name = formatLaneKey(key);
    const known = service.lanes.get(name);
    if (known !== undefined) return known;
    this.budgets.checkRoom(payer.jid, "lanes");
    this.assertSelectionAllowed(service, key.selection, payer, left);
    const lane = new Lane<Subscription>(service, key, this.context);
    lane.payer = payer;
    this.budgets.count(payer.jid, "lanes", 1);
    service.lanes.set(name, lane);
    this.fanOut.watch(lane, now);
    this.stats.lanes++;
    this.log.debug({ node: service.node, jid: payer.jid, lane: name }, "lane begun");
    return lane;
  }

  /** Each selection costs every update of the service some work. The selection of whole values is always allowed. */
  private assertSelectionAllowed(
    service: Service,
    asked: Selection,
    { bareJid }: Subscriber,
    left: Lane<Subscription> | undefined,
  ): void {
    const whole = formatSelection(WHOLE);
    const known = new Set<string>();
    const own = new Set<string>();
    for (const lane of service.lanes.values()) {
      const selection = formatSelection(lane.key.selection);
      if (selection === whole || (lane === left && lane.members === 1)) continue;
      known.add(selection);
      if (lane.payer?.bareJid === bareJid) own.add(selection);
    }
    const wanted = formatSelection(asked);
    if (wanted === whole || known.has(wanted)) return;
    const check = (name: "maxSelectionsPerService" | "maxSelectionsPerAccount", count: number): void => {
      if (count < this.limits[name]) return;
      throw new StanzapackError(
        "limit-exceeded",
        `\`${service.node}\` has ${count} selections, no more are allowed (${name}): subscribe without a selection`,
        { scope: "subscription" },
      );
    };
    check("maxSelectionsPerAccount", own.size);
    check("maxSelectionsPerService", known.size);
  }

  /** Takes a subscription out of its lane, or out of the lane that it had. The lane ends with its last member. */
  leave(subscription: Subscription, lane = subscription.lane): void {
    const { outlet, service } = subscription;
    lane.remove(subscription);
    const hasPaid = lane.payer?.jid === outlet.jid;
    if (hasPaid) {
      lane.payer = undefined;
      this.budgets.count(outlet.jid, "lanes", -1);
    }
    if (--lane.members > 0) {
      if (hasPaid) this.passOn(lane, subscription);
      return;
    }
    this.fanOut.unwatch(lane);
    lane.strip();
    service.lanes.delete(formatLaneKey(lane.key));
    this.stats.lanes--;
  }

  /** A member that stays pays from now on. Otherwise members that come and go by turns would have lanes for nothing. */
  private passOn(lane: Lane<Subscription>, left: Subscription): void {
    const next: Subscription | undefined =
      lane.attached.values().next().value ?? lane.joining.values().next().value ?? findDetached(lane, left);
    lane.payer = next?.outlet;
    if (next !== undefined) this.budgets.count(next.outlet.jid, "lanes", 1);
  }
}

/** Returns a member that waits for its link, its credit or a journal. The lane has no set of these. */
function findDetached(lane: Lane<Subscription>, left: Subscription): Subscription | undefined {
  for (const subscription of left.service.subscriptions)
    if (subscription.lane === lane && subscription !== left) return subscription;
  return undefined;
}

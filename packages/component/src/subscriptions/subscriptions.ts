import { StanzapackError, type Selection, type Since } from "@stanzapack/wire";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import { type Later, whenKnown } from "../base/later.js";
import type { Budgets } from "../budgets/budgets.js";
import type { Calls } from "../calls/calls.js";
import type { Approvals } from "../catalog/approvals.js";
import type { DemandReports } from "../catalog/demand-reports.js";
import type { ServiceRecord } from "../catalog/service-record.js";
import type { Service } from "../catalog/service.js";
import type { ComponentLimits } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { Cursor, Cursors } from "../cursors/cursors.js";
import { formatLaneKey, type LaneKey } from "../fanout/lane.js";
import type { LaneTable } from "../fanout/lane-table.js";
import type { NewestValues } from "../fanout/newest-values.js";
import type { OutletFormat } from "../fanout/outlet.js";
import type { Kind, StandingPosition } from "../kinds/kind.js";
import type { Logs } from "../kinds/logs.js";
import type { ClientLink, LinkSubscription } from "../links/client-link.js";
import type { AskedOptions, ChangedOptions, SubscribeOptions } from "../options/subscribe-options.js";
import type { TimedStart } from "../store/journal.js";
import { raiseCredit } from "./credit.js";
import { grantOptions } from "./grant.js";
import { assertHasCursors, assertSameKeys, assertSince } from "./request-checks.js";
import type { KeptSubscription } from "./resumption.js";
import { Subscription } from "./subscription.js";

/** Finds services by node. A catalog answers at once. A store, or another node of the component, may answer later. */
export interface ServiceFinder {
  readonly services: ReadonlyMap<string, Service>;
  /** Throws, or rejects with, `no-such-service`. */
  find(node: string): Later<Service>;
  /**
   * Makes a service ready for a subscriber: one of another node is followed first, and the subscriber's cursor is read.
   * Rejects with `busy` if that takes too long. Undefined: all services are ready.
   */
  prepare?:
    | ((service: Service, bareJid: string, cursor: string | undefined) => Promise<void> | undefined)
    | undefined;
}

/** The parts of the component that a subscription concerns. */
export interface SubscriptionParts {
  readonly catalog: ServiceFinder;
  readonly approvals: Approvals;
  readonly demand: DemandReports;
  readonly lanes: LaneTable;
  readonly newest: NewestValues;
  readonly logs: Logs;
  readonly cursors: Cursors;
  readonly fanOut: FanOut;
  readonly budgets: Budgets;
  readonly calls: Calls;
}

/** Begins, changes and ends subscriptions. */
export class Subscriptions {
  private nextSubid = 1;

  constructor(
    private readonly parts: SubscriptionParts,
    private readonly limits: ComponentLimits,
  ) {}

  /**
   * Returns the service to subscribe to. A position in a log that was withdrawn not long ago means that log, for its
   * rest. A position at the log's end means the service that is offered by that name now, if there is one. Throws, or
   * rejects with, `no-such-service`.
   */
  asked(node: string, bareJid: string, since: Since | undefined): Later<Service> {
    const { catalog, logs } = this.parts;
    const withdrawn = logs.withdrawnAt(node, since);
    if (withdrawn?.record.mayTake(bareJid) !== true) return catalog.find(node);
    // Otherwise a subscriber that has received the end, and asks again from there, would receive the end again.
    const hasRest = typeof since === "object" && "epoch" in since && since.offset < withdrawn.record.offset;
    return hasRest ? withdrawn : (catalog.services.get(node) ?? withdrawn);
  }

  /** Subscribes by name: see `asked` and `subscribeTo`. */
  subscribe(link: ClientLink, node: string, options: SubscribeOptions, now: number): Later<LinkSubscription> {
    return this.withService(link, node, options.since, now, (service, at) =>
      this.subscribeTo(link, service, options, at),
    );
  }

  /** Subscribes as the subscription was on another link, from `standing`, the last position that its client has. */
  resume(
    link: ClientLink,
    { node, options }: KeptSubscription,
    standing: StandingPosition | undefined,
    now: number,
  ): Later<LinkSubscription> {
    return this.withService(link, node, standing, now, (service, at) => {
      this.assertCursor(service, link.bareJid, options.cursor);
      const since = service.kind.hasHistory ? standing : undefined;
      return this.subscribeTo(link, service, { ...options, since }, at, standing);
    });
  }

  /**
   * Throws `not-subscribed` if the cursor of a subscription that resumes was deleted, and `conflict` if another
   * subscription has taken the cursor meanwhile.
   */
  private assertCursor(service: Service, bareJid: string, name: string | undefined): void {
    if (name === undefined || service.withdrawn) return;
    const { node } = service;
    const cursor = this.parts.cursors.find(node, bareJid, name);
    if (cursor === undefined)
      throw new StanzapackError("not-subscribed", `the cursor \`${name}\` of \`${node}\` was deleted`);
    if (cursor.holder !== undefined) throw takenOver(cursor, cursor.holder);
  }

  /**
   * Calls `act` with the service and the monotonic time. Rejects with `link-required` when the link has ended
   * meanwhile, and with `no-such-service` when the service was withdrawn meanwhile.
   */
  private withService<T>(
    link: ClientLink,
    node: string,
    since: Since | undefined,
    now: number,
    act: (service: Service, now: number) => Later<T>,
  ): Later<T> {
    const service = this.asked(node, link.bareJid, since);
    if (!(service instanceof Promise)) return act(service, now);
    return whenKnown(service, (found) => {
      link.assertOpen();
      if (found.withdrawn && this.parts.logs.withdrawnAt(node, since) !== found)
        throw new StanzapackError("no-such-service", `\`${node}\` was withdrawn meanwhile`);
      return act(found, monotonicNow());
    });
  }

  /**
   * Returns the link's subscription to the service, in a new window and selection if the link had it before.
   * `standing`: the last position that the subscriber has. For a log, `since` says the same. Throws, or rejects with,
   * `not-allowed`, `pending`, `invalid-options`, `busy` or `limit-exceeded`. If a store must first find the time of
   * `since`, also `link-required`, `no-such-service` or `store-failed`.
   */
  subscribeTo(
    link: ClientLink,
    service: Service,
    options: SubscribeOptions,
    now: number,
    standing?: StandingPosition,
  ): Later<LinkSubscription> {
    const preparing = this.mayAsk(link, service)
      ? this.parts.catalog.prepare?.(service, link.bareJid, options.cursor)
      : undefined;
    if (preparing !== undefined)
      return preparing.then(() => {
        link.assertOpen();
        this.assertOffered(service);
        return this.subscribePrepared(link, service, options, monotonicNow(), standing);
      });
    return this.subscribePrepared(link, service, options, now, standing);
  }

  private mayAsk({ bareJid, taken }: ClientLink, service: Service): boolean {
    return !taken.has(service) && service.record.mayTake(bareJid);
  }

  private assertOffered(service: Service): void {
    if (service.withdrawn)
      throw new StanzapackError("no-such-service", `\`${service.node}\` was withdrawn meanwhile`);
  }

  private subscribePrepared(
    link: ClientLink,
    service: Service,
    options: SubscribeOptions,
    now: number,
    standing: StandingPosition | undefined,
  ): Later<LinkSubscription> {
    const timed = this.seek(link, service, options);
    if (!(timed instanceof Promise)) return this.begin(link, service, options, now, standing, timed);
    return timed.then((found) => {
      link.assertOpen();
      this.assertOffered(service);
      return this.begin(link, service, options, monotonicNow(), standing, found);
    });
  }

  /** Finds the time of `since` in a log. Undefined: there is none, or the subscription will be refused. */
  private seek(
    { bareJid, taken }: ClientLink,
    service: Service,
    { since, cursor }: SubscribeOptions,
  ): Later<TimedStart | undefined> {
    const isTime = typeof since === "object" && "time" in since;
    if (!isTime || taken.has(service) || !service.record.mayTake(bareJid)) return undefined;
    // The place of a cursor counts instead.
    if (cursor !== undefined && this.parts.cursors.find(service.node, bareJid, cursor)) return undefined;
    return service.kind.seek?.(since.time);
  }

  private begin(
    link: ClientLink,
    service: Service,
    options: SubscribeOptions,
    now: number,
    standing: StandingPosition | undefined,
    timed: TimedStart | undefined,
  ): LinkSubscription {
    const { since } = options;
    const { node } = service;
    const { approvals, budgets, lanes, demand } = this.parts;
    const mayTake = service.record.mayTake(link.bareJid);
    if (!mayTake && service.config.access !== "authorize")
      throw new StanzapackError("not-allowed", `${link.bareJid} may not subscribe to \`${node}\``);
    assertSince(service, since);
    if (service.config.kind === "map" && !link.readsMaps)
      throw new StanzapackError(
        "unsupported",
        `\`${node}\` is a map, and this client does not know maps: update its Stanzapack`,
      );
    const { cursor: name } = options;
    if (name !== undefined) assertHasCursors(service);
    const { windowMs, selection } = grantOptions(service, options);
    // After the checks, so that no publisher is asked about what cannot be granted.
    if (!mayTake) approvals.ask(service, link, options, now);
    const existing = link.taken.get(service);
    if (existing !== undefined) {
      if (name !== undefined && name !== existing.cursor?.name)
        throw new StanzapackError(
          "invalid-options",
          `this session subscribes to \`${node}\` without the \`cursor\` \`${name}\`: unsubscribe first`,
        );
      // XEP-0060 §6.1.6: one subscription per node and JID here; asking again gives the current one.
      this.change(existing, options, now);
      return existing;
    }
    if (link.subscriptions.size >= this.limits.maxSubscriptionsPerLink) {
      throw new StanzapackError(
        "limit-exceeded",
        `${link.subscriptions.size} subscriptions on one link, no more are allowed`,
        { scope: "subscription" },
      );
    }
    budgets.checkRoom(link.jid, "subscriptions");
    link.checkAlias();
    const { cursors } = this.parts;
    // A withdrawn log has no cursors any more.
    const place = service.withdrawn ? undefined : name;
    const cursor = place === undefined ? undefined : cursors.find(node, link.bareJid, place);
    if (place !== undefined && cursor === undefined) cursors.assertRoom(node, link.bareJid);
    // Read before this subscription counts as demand.
    const isLive = service.demand.subscribers > 0 && service.awaiting.size === 0;
    const lane = lanes.laneFor(service, laneKey(service, link.format, windowMs, selection), link, now);
    const subid = (this.nextSubid++).toString(36);
    const outlet = link.createOutlet();
    const subscription = new Subscription(outlet, service, subid, lane, options.credit);
    lane.members++;
    budgets.count(link.jid, "subscriptions", 1);
    service.subscriptions.add(subscription);
    outlet.open(subscription);
    // The newest request for a cursor counts: its consumer has restarted, perhaps on another machine.
    if (cursor?.holder !== undefined) this.end(cursor.holder, takenOver(cursor, subscription));
    const start = { since: cursor ?? since, timed, standing, cursor: place, isLive, now };
    service.kind.begin(subscription, start);
    if (place !== undefined && subscription.begun !== undefined)
      subscription.cursor = cursors.hold(subscription, place, subscription.begun);
    service.record.approved.use(link.bareJid, wallNow());
    demand.update(service);
    return subscription;
  }

  /**
   * Gives a subscription another window, selection and credit. Its positions continue: the subscriber receives what it
   * did not have yet, or a conflation of it. Throws `invalid-options` or `limit-exceeded`.
   */
  change(subscription: Subscription, asked: ChangedOptions, now: number): void {
    this.moveToLane(subscription, asked, now);
    if (asked.credit !== undefined) raiseCredit(subscription, asked.credit, now);
  }

  private moveToLane(subscription: Subscription, asked: AskedOptions, now: number): void {
    const { lane, service, outlet } = subscription;
    const { lanes, newest, fanOut, demand } = this.parts;
    const { windowMs, selection } = grantOptions(service, asked);
    const key = laneKey(service, outlet.format, windowMs, selection);
    if (formatLaneKey(lane.key) === formatLaneKey(key)) return;
    assertSameKeys(service, lane.key.selection, selection);
    const next = lanes.laneFor(service, key, outlet, now, lane);
    // A lane made for this subscriber counts as busy as the lane before. Otherwise the next update would leave at once.
    if (next.members === 0) next.lastFlushAt = lane.lastFlushAt;
    next.members++;
    subscription.lane = next;
    lanes.leave(subscription, lane);
    if (!subscription.detached) {
      next.add(subscription);
      // Sends what the old lane still holds. The subscriber drops by position what the new lane sends again.
      fanOut.sendWaiting(subscription, lane);
      // The new lane does not report what the old lane left out.
      if (!service.awaiting.has(subscription)) newest.send(subscription, lane.standsAt + 1);
      fanOut.book(next, now, false);
    }
    demand.update(service);
  }

  /**
   * Gives a service another record and kind, because it has another owner. Its subscriptions go on from their
   * positions. If the epoch is another one, they begin anew, and their clients are told.
   */
  rehome(service: Service, record: ServiceRecord, kind: Kind, now: number): void {
    const { logs, lanes, demand } = this.parts;
    const isSameLife = service.record.epoch === record.epoch;
    const members = [...service.subscriptions].map((subscription) => ({
      subscription,
      wasOnLane: !subscription.detached,
    }));
    for (const lane of service.lanes.values()) service.kind.setAside(lane);
    const onTheWay = new Set(members.filter(({ subscription }) => logs.catchUp.remove(subscription)));
    service.kind.release?.();
    service.become(record, kind);
    if (!isSameLife) for (const { subscription } of members) lanes.leave(subscription);
    for (const lane of service.lanes.values()) lane.flushedTo = record.offset;
    for (const member of members) {
      const { subscription, wasOnLane } = member;
      if (!isSameLife) {
        const { key } = subscription.lane;
        subscription.lane = lanes.laneFor(service, key, subscription.outlet, now);
        subscription.lane.members++;
      }
      const wasSent = wasOnLane || (service.kind.hasHistory && onTheWay.has(member));
      if (isSameLife && wasSent) service.kind.comeBack(subscription, now);
      // Otherwise it waits for room or credit, and comes back by itself.
      else if (wasOnLane || onTheWay.has(member)) this.beginAnew(subscription, now);
      else if (!isSameLife) subscription.position = 0;
    }
    demand.update(service);
  }

  private beginAnew(subscription: Subscription, now: number): void {
    const { kind } = subscription.service;
    subscription.detached = false;
    const since = kind.hasHistory ? ("first" as const) : undefined;
    kind.begin(subscription, { since, standing: undefined, isLive: true, now });
  }

  /** Ends a subscription, and sends its subscriber the error. */
  end(subscription: Subscription, error: StanzapackError): void {
    subscription.outlet.sendEnd(error);
    this.unsubscribe(subscription);
  }

  /** Ends a subscription whose service was withdrawn. */
  endWithdrawn(subscription: Subscription): void {
    const { node } = subscription.service;
    this.end(subscription, new StanzapackError("withdrawn", `\`${node}\` was withdrawn by its publisher`));
  }

  /** Ends a subscription without a word. */
  unsubscribe(subscription: Subscription): void {
    const { service, outlet } = subscription;
    const { lanes, budgets, logs, demand, cursors, calls } = this.parts;
    if (subscription.cursor !== undefined) cursors.release(subscription.cursor);
    lanes.leave(subscription);
    budgets.count(outlet.jid, "subscriptions", -1);
    logs.forget(subscription);
    calls.subscriptionEnded(service, outlet.jid);
    service.subscriptions.delete(subscription);
    service.awaiting.delete(subscription);
    outlet.close();
    demand.update(service);
  }

  /** Ends every subscription of the link, without a word. */
  linkEnded(link: ClientLink): void {
    for (const subscription of link.subscriptions.values()) this.unsubscribe(subscription);
  }
}

/** Returns the error of a subscription whose cursor another one reads on from. */
function takenOver({ name, node }: Cursor, by: Subscription): StanzapackError {
  return new StanzapackError(
    "conflict",
    `your session ${by.outlet.jid} has taken over the cursor \`${name}\` of \`${node}\``,
  );
}

/** Returns the key of the lane of such subscribers. Only lanes of maps differ by how maps are coded. */
function laneKey({ config }: Service, format: OutletFormat, windowMs: number, selection: Selection): LaneKey {
  return { ...format, codesMaps: format.codesMaps === true && config.kind === "map", windowMs, selection };
}

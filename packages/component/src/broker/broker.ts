import {
  createRowCodec,
  DataReader,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  grantSelection,
  grantWindow,
  MAX_WINDOW_MS,
  parseNode,
  StanzapackError,
  WHOLE,
  type CodedFrame,
  type CreditFrame,
  type DataBatch,
  type DataFrame,
  type ErrorCode,
  type RowCodec,
  type Selection,
  type Since,
  type StatusFrame,
  type Value,
} from "@stanzapack/wire";
import { monotonicNow, StanzaError, wallAheadMs } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { Approvals } from "../catalog/approvals.js";
import { Budgets } from "../budgets/budgets.js";
import type { ClientLink } from "../links/client-link.js";
import type { ComponentLimits } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import { formatLaneKey, formatSelection, Lane, laneKeyOf, type LaneContext, type LaneKey } from "../fanout/lane.js";
import { LaneMemory } from "../fanout/lane-memory.js";
import { Logs } from "../kinds/logs.js";
import {
  ANY_LEASE,
  type AskedOptions,
  type ChangedOptions,
  type LeaseRequest,
  type SubscribeOptions,
} from "../negotiation/options.js";
import { assertOpaqueFrame, assertOpaqueRows } from "../catalog/opaque.js";
import type { ReadyBody } from "../fanout/ready-body.js";
import type { KeptSubscription } from "../subscriptions/resumption.js";
import { rememberValue } from "../fanout/row-values.js";
import { Arrival } from "../fanout/selector.js";
import { Service, type Publisher, type ServiceConfig } from "../catalog/service.js";
import { ServiceList } from "../catalog/service-list.js";
import { SharedFrame } from "../fanout/shared-frame.js";
import type { ComponentStats } from "../base/stats.js";
import { Subscription } from "../subscriptions/subscription.js";

/** How long a publisher has to answer new demand with a fresh value before subscribers get the last known one, in ms. */
const FRESH_VALUE_MS = 1_000;

/** Rows that wait no longer than this keep the values that were read, in ms: these take several times the memory of a row. */
const REMEMBERED_MS = 1_000;

/** The last position that a subscriber has. */
export interface StandingPosition {
  readonly epoch: number;
  readonly offset: number;
}

const NONE: ReadonlySet<Service> = new Set();

/** Random numbers that tell lives apart, 32 bits, never 0. */
export type RandomId = () => number;

/** Services, subscriptions and lanes: every operation of the negotiation, and the publishers' data on its way through. */
export class Broker {
  readonly services = new Map<string, Service>();
  /** The same, for listing. */
  readonly list = new ServiceList();
  readonly approvals: Approvals;
  private readonly owned = new Map<string, Set<Service>>();
  /** Told of each service that is offered anew. */
  onOffered: ((service: Service) => void) | undefined;
  /** Told of each service that ends, with who had subscribed or waited for approval. */
  onWithdrawn: ((service: Service, links: readonly ClientLink[]) => void) | undefined;
  /** Told of each subscription that its publisher takes away. */
  onRevoked: ((subscription: Subscription) => void) | undefined;
  private nextSubid = 1;
  private readonly laneContext: LaneContext;
  private readonly logs: Logs;
  /** Services whose subscriber count the publisher was not told yet. */
  private readonly staleDemand = new Set<Service>();
  /** Services whose subscribers were not told yet what the publisher says of itself. */
  private readonly staleStatus = new Set<Service>();

  constructor(
    private readonly fanOut: FanOut,
    private readonly codec: RowCodec,
    private readonly limits: ComponentLimits,
    private readonly stats: ComponentStats,
    private readonly randomId: RandomId,
    private readonly log: Logger,
    readonly budgets = new Budgets(limits, stats),
  ) {
    this.logs = new Logs(fanOut, limits, stats, log, budgets.isOurs, (subscription) =>
      this.endWithdrawn(subscription),
    );
    this.logs.catchUp.onBegun = ({ link }, ms) => budgets.chargeWork(link.jid, ms);
    this.approvals = new Approvals(limits, stats, budgets, (link, service, options, now) =>
      this.subscribeTo(link, service, options, now),
    );
    const rows = createRowCodec(DEFAULT_LIMITS);
    this.laneContext = { rows, deflatedRows: codec, limits, randomId, memory: new LaneMemory(limits) };
  }

  /** A request of this JID was refused: counts it and logs it. `what` names the request, for the operator. */
  refused(jid: string, what: string, error: unknown): void {
    this.stats.refusals++;
    const known = error instanceof StanzapackError || error instanceof StanzaError;
    const reason = error instanceof StanzapackError ? error.text : String(error);
    if (known) this.log.info({ jid, reason }, `refused ${what}`);
    else this.log.error({ jid, err: error }, `${what} could not be handled`);
  }

  /** The service, where `bareJid` may see it; a hidden one does not exist for others. Throws `no-such-service`. */
  find(node: string): Service {
    const service = this.services.get(node);
    if (service === undefined)
      throw new StanzapackError("no-such-service", `nobody offers \`${node.slice(0, 200)}\``);
    return service;
  }

  /**
   * The service to subscribe to. A position in a log that was withdrawn not long ago means that log, for its rest; one at its end means
   * the service that is offered by that name now, if there is one. Throws `no-such-service`.
   */
  asked(node: string, bareJid: string, since: Since | undefined): Service {
    const withdrawn = this.logs.withdrawnAt(node, since);
    if (withdrawn?.mayTake(bareJid) !== true) return this.find(node);
    // Otherwise who was told of the end, and asks again from there, would be told again.
    const hasRest = typeof since === "object" && "epoch" in since && since.offset < withdrawn.offset;
    return hasRest ? withdrawn : (this.services.get(node) ?? withdrawn);
  }

  /** What a bare JID offers. */
  ownedBy(owner: string): ReadonlySet<Service> {
    return this.owned.get(owner) ?? NONE;
  }

  /** The service, for its owner. Throws `no-such-service` or `forbidden`. */
  own(node: string, bareJid: string): Service {
    // XEP-0060 §8.2.3: a node that nobody has does not exist, whoever asks.
    const service = this.find(node);
    const { owner } = service.id;
    if (owner !== bareJid)
      throw new StanzapackError("forbidden", `\`${service.node}\` belongs to ${owner}, not to ${bareJid}`);
    return service;
  }

  /**
   * A publisher offers a service, or comes back to it. `holder` is given when another live link of the account has the writer's
   * lease, and this is neither to take it over nor of the same outbox: the caller finds out whether that link lives and calls again.
   */
  offer(
    link: ClientLink,
    node: string,
    config: ServiceConfig,
    now: number,
    lease: LeaseRequest = ANY_LEASE,
  ): { service: Service; created: boolean } | { holder: ClientLink } {
    const id = parseNode(node);
    if (id.owner !== link.bareJid) {
      throw new StanzapackError("forbidden", `${link.bareJid} cannot offer \`${node.slice(0, 200)}\``);
    }
    let service = this.services.get(node);
    link.checkAlias();
    const created = service === undefined;
    if (service === undefined) {
      const owned = this.owned.get(id.owner) ?? new Set();
      this.budgets.checkRoom(id.owner, "services");
      if (this.services.size >= this.limits.maxServices)
        throw new StanzapackError(
          "limit-exceeded",
          `${this.services.size} services are offered, no more are allowed`,
          { scope: "subscription" },
        );
      service = new Service(id, config, this.randomId(), this.logs.createJournal(config, id.owner), now);
      this.services.set(node, service);
      this.list.add(service);
      this.owned.set(id.owner, owned.add(service));
      this.budgets.count(id.owner, "services", 1);
    } else {
      const { publisher } = service;
      const { incarnation, takeOver } = lease;
      const isSame = incarnation !== undefined && publisher?.incarnation === incarnation;
      if (publisher !== undefined && publisher.link !== link && !takeOver && !isSame)
        return { holder: publisher.link };
      if (service.config.kind !== config.kind) {
        throw new StanzapackError(
          "conflict",
          `\`${node}\` is offered as ${service.config.kind}, not ${config.kind}: withdraw it first`,
        );
      }
      if ((service.config.opaque ?? false) !== (config.opaque ?? false))
        throw new StanzapackError(
          "conflict",
          `\`${node}\` is offered ${config.opaque === true ? "with values that are not opaque" : "as opaque"}: withdraw it first`,
        );
      if (publisher !== undefined && (publisher.link !== link || (incarnation !== undefined && !isSame)))
        this.fence(service, publisher, link);
      this.configure(service, config, now);
    }
    if (service.publisher === undefined) this.attachPublisher(service, link, lease.incarnation, now);
    if (created) {
      const { kind, access } = config;
      this.log.info({ node, jid: link.jid, kind, access, services: this.services.size }, "service offered");
      this.onOffered?.(service);
    }
    return { service, created };
  }

  /** It holds the lease no longer: what it still sends is dropped, and not its to forget. */
  private fence(service: Service, publisher: Publisher, by: ClientLink): void {
    // Behind this come the acknowledgements of what was dropped.
    if (publisher.link !== by)
      tellPublisher(publisher, "fenced", `\`${service.node}\` was taken over by your session ${by.jid}`);
    this.detachPublisher(service);
  }

  private detachPublisher(service: Service): void {
    const { publisher } = service;
    if (publisher === undefined) return;
    publisher.link.services.delete(publisher.alias);
    publisher.link.readerBytes -= publisher.reader.bytes;
    service.publisher = undefined;
  }

  private endWithdrawn(subscription: Subscription): void {
    const { node } = subscription.service;
    this.endSubscription(
      subscription,
      new StanzapackError("withdrawn", `\`${node}\` was withdrawn by its publisher`),
    );
  }

  private attachPublisher(
    service: Service,
    link: ClientLink,
    incarnation: number | undefined,
    now: number,
  ): void {
    const alias = link.takeAlias();
    link.services.set(alias, service);
    const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, this.codec);
    service.publisher = { link, alias, reader, incarnation };
    service.offlineSince = undefined;
    const asked = incarnation ?? service.incarnations.current;
    link.sendFrame({
      type: "bind",
      role: "service",
      alias,
      node: service.node,
      incarnation: asked,
      sequence: service.incarnations.sequenceOf(asked),
    });
    // Always told: a publisher that comes back goes on sending as long as it believes in its old demand.
    this.tellDemand(service);
    service.status = "online";
    service.paceMs = null;
    this.tellStatus(service);
    this.approvals.serviceOnline(service, now);
  }

  private tellStatus(service: Service): void {
    const frame = new SharedFrame((alias) => ({ type: "status", alias, ...service.told }));
    for (const subscription of service.subscriptions) frame.sendTo(subscription);
  }

  /** A publisher says how it is. Throws what ends its link. */
  setStatus(service: Service, { status, windowMs }: StatusFrame): void {
    if (status === "offline")
      throw new StanzapackError("protocol", "a publisher that says to be offline", { origin: "peer" });
    service.status = status;
    service.paceMs = windowMs === null ? null : Math.min(windowMs, MAX_WINDOW_MS);
    // At most once in a sweep: one frame makes as many as there are subscribers.
    this.staleStatus.add(service);
  }

  /** New configuration; who lost access loses the subscription at once, who awaits approval may have it by that. */
  configure(service: Service, config: ServiceConfig, now: number): void {
    service.config = config;
    for (const subscription of service.subscriptions) {
      if (service.mayTake(subscription.link.bareJid)) continue;
      this.onRevoked?.(subscription);
      this.endSubscription(
        subscription,
        new StanzapackError(
          "not-allowed",
          `the publisher does not allow ${subscription.link.bareJid} to take \`${service.node}\` any more`,
        ),
      );
    }
    this.approvals.reconsider(service, now);
  }

  /** Its end comes after its last values. `by`: the link of who withdrew it, which need not be told. */
  withdraw(service: Service, by?: ClientLink): void {
    this.fanOut.flushAll([service]);
    // The stream to the server is backed up: the end must not come in front of what waits for it.
    for (const lane of service.lanes.values()) if (!lane.batch.empty) this.logs.setAside(lane);
    // The publisher answers new demand no more.
    this.settleAwaiting(service);
    service.withdrawn = true;
    this.onWithdrawn?.(service, [
      ...[...service.subscriptions].map(({ link }) => link),
      ...this.approvals.waitingFor(service),
    ]);
    for (const subscription of service.subscriptions) {
      if (service.journal !== undefined && subscription.detached && subscription.position < service.offset)
        continue;
      // One that had to wait for acknowledgements or credit gets the last value all the same.
      if (subscription.detached)
        this.fanOut.sendLast(subscription, subscription.position + 1, this.lastBodies(service));
      this.endWithdrawn(subscription);
    }
    const { publisher } = service;
    if (publisher !== undefined && publisher.link !== by)
      tellPublisher(publisher, "withdrawn", `\`${service.node}\` was withdrawn by another session of yours`);
    this.detachPublisher(service);
    this.logs.withdraw(service, monotonicNow());
    this.services.delete(service.node);
    this.list.remove();
    const { node } = service;
    this.log.info({ node, by: by?.jid, services: this.services.size }, "service withdrawn");
    this.approvals.serviceEnded(service);
    this.staleDemand.delete(service);
    this.staleStatus.delete(service);
    const owned = this.owned.get(service.id.owner);
    if (owned?.delete(service) === true) this.budgets.count(service.id.owner, "services", -1);
    if (owned?.size === 0) this.owned.delete(service.id.owner);
  }

  /** By name: see `asked`. */
  subscribe(link: ClientLink, node: string, options: SubscribeOptions, now: number): Subscription {
    return this.subscribeTo(link, this.asked(node, link.bareJid, options.since), options, now);
  }

  subscribeTo(
    link: ClientLink,
    service: Service,
    options: SubscribeOptions,
    now: number,
    /** Of no log, where it stands already. */
    standing?: StandingPosition,
  ): Subscription {
    const { since, credit } = options;
    const { node } = service;
    const mayTake = service.mayTake(link.bareJid);
    if (!mayTake && service.config.access !== "authorize")
      throw new StanzapackError("not-allowed", `${link.bareJid} may not take \`${node}\``);
    if (since !== undefined && service.journal === undefined)
      throw new StanzapackError(
        "invalid-options",
        `\`${node}\` is of kind ${service.config.kind}: only a log has a \`since\``,
      );
    const { windowMs, selection } = grant(service, options);
    // Of what cannot be granted anyway its publisher is not asked.
    if (!mayTake) this.approvals.ask(service, link, options, now);
    const existing = link.taken.get(service);
    if (existing !== undefined) {
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
    this.budgets.checkRoom(link.jid, "subscriptions");
    link.checkAlias();
    const live = service.demand.subscribers > 0 && service.awaiting.size === 0;
    const lane = this.laneFor(service, laneKeyOf(link, windowMs, selection), link, now);
    this.budgets.count(link.jid, "subscriptions", 1);
    const alias = link.takeAlias();
    const subscription = new Subscription(
      ...([link, service, alias, (this.nextSubid++).toString(36), lane, credit] as const),
    );
    lane.members++;
    link.subscriptions.set(alias, subscription);
    link.taken.set(service, subscription);
    service.subscriptions.add(subscription);
    link.sendFrame({
      type: "bind",
      role: "subscription",
      alias,
      node,
      subid: subscription.subid,
      kind: service.config.kind,
      baseAt: service.baseAt,
    });
    const { told } = service;
    if (told.status !== "online" || told.windowMs !== null)
      link.sendFrame({ type: "status", alias, ...told });
    this.begin(subscription, since, live, now, standing);
    this.updateDemand(service);
    return subscription;
  }

  /** As it was on another link, from where it stands. */
  resume(
    link: ClientLink,
    { node, options }: KeptSubscription,
    standing: StandingPosition | undefined,
    now: number,
  ): Subscription {
    const service = this.asked(node, link.bareJid, standing);
    const since = service.journal === undefined ? undefined : standing;
    return this.subscribeTo(link, service, { ...options, since }, now, standing);
  }

  /** What it gets first. */
  private begin(
    subscription: Subscription,
    since: Since | undefined,
    live: boolean,
    now: number,
    standing: StandingPosition | undefined,
  ): void {
    const { lane, service } = subscription;
    if (service.journal !== undefined) return this.logs.begin(subscription, service.journal, since);
    lane.add(subscription);
    const known = standing?.epoch === service.epoch;
    // What came meanwhile is told as left out: the newest value stands for it.
    if (known) this.fanOut.sendLast(subscription, standing.offset + 1, this.lastBodies(service));
    if (service.online && !live) {
      // The last value is from before anyone listened: the publisher answers new demand with its newest.
      subscription.awaitingSince = now;
      service.awaiting.add(subscription);
    } else if (!known) this.fanOut.sendLast(subscription, undefined, this.lastBodies(service));
    // What came while nobody took it.
    this.fanOut.book(lane, now, false);
  }

  /** Bodies of the newest value, shared by those who join, or come back, at the same offset. */
  private lastBodies(service: Service): Map<string, ReadyBody> {
    // They tell when it came by the wall clock.
    const aheadMs = wallAheadMs();
    const { offset, newest } = service;
    if (newest?.offset === offset && newest.aheadMs === aheadMs) return newest.bodies;
    const bodies = new Map<string, ReadyBody>();
    service.newest = { offset, aheadMs, bodies };
    return bodies;
  }

  /** `left`: the lane that its first subscriber comes from. */
  private laneFor(service: Service, key: LaneKey, link: ClientLink, now: number, left?: Lane): Lane {
    let lane = service.lanes.get(formatLaneKey(key));
    if (lane === undefined) {
      this.budgets.checkRoom(link.jid, "lanes");
      this.assertSelectionAllowed(service, key.selection, link, left);
      lane = new Lane(service, key, this.laneContext);
      lane.payer = link;
      this.budgets.count(link.jid, "lanes", 1);
      service.lanes.set(formatLaneKey(key), lane);
      this.fanOut.watch(lane, now);
      this.stats.lanes++;
      this.log.debug({ node: service.node, jid: link.jid, lane: formatLaneKey(key) }, "lane begun");
    }
    return lane;
  }

  /** Each costs every update of the service some work. Whole values, all of them, are always to be had. */
  private assertSelectionAllowed(
    service: Service,
    asked: Selection,
    { bareJid }: ClientLink,
    left: Lane | undefined,
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
        `\`${service.node}\` is taken in ${count} selections, no more are allowed (${name}): take its values whole`,
        { scope: "subscription" },
      );
    };
    check("maxSelectionsPerAccount", own.size);
    check("maxSelectionsPerService", known.size);
  }

  private leaveLane(lane: Lane, subscription: Subscription): void {
    lane.remove(subscription);
    const paid = lane.payer === subscription.link;
    if (paid) {
      lane.payer = undefined;
      this.budgets.count(subscription.link.jid, "lanes", -1);
    }
    if (--lane.members > 0) {
      if (paid) this.passOn(lane, subscription);
      return;
    }
    this.fanOut.unwatch(lane);
    lane.strip();
    lane.service.lanes.delete(formatLaneKey(lane.key));
    this.stats.lanes--;
  }

  /** Its payer has left: one that stays pays, or who comes and goes by turns would have lanes, and selections, for nothing. */
  private passOn(lane: Lane, left: Subscription): void {
    const next: Subscription | undefined =
      lane.attached.values().next().value ?? lane.joining.values().next().value ?? findDetached(lane, left);
    lane.payer = next?.link;
    if (next !== undefined) this.budgets.count(next.link.jid, "lanes", 1);
  }

  /** To another window and selection: its positions go on, and what it had not got of them comes, or is conflated. */
  change(subscription: Subscription, asked: ChangedOptions, now: number): void {
    this.moveToLane(subscription, asked, now);
    if (asked.credit !== undefined) this.raiseCredit(subscription, asked.credit, now);
  }

  private moveToLane(subscription: Subscription, asked: AskedOptions, now: number): void {
    const { lane, service, link } = subscription;
    const { windowMs, selection } = grant(service, asked);
    const key = laneKeyOf(link, windowMs, selection);
    if (formatLaneKey(lane.key) === formatLaneKey(key)) return;
    const next = this.laneFor(service, key, link, now, lane);
    // A lane made for this subscriber is as busy as the one it comes from, or its next update would go at once.
    if (next.members === 0) next.lastFlushAt = lane.lastFlushAt;
    next.members++;
    subscription.lane = next;
    this.leaveLane(lane, subscription);
    if (!subscription.detached) {
      next.add(subscription);
      // What the old lane still held goes out now; what of it the new lane sends again is dropped by position.
      this.fanOut.sendWaiting(subscription, lane);
      // What the old one left out, the new one would not tell of.
      if (!service.awaiting.has(subscription))
        this.fanOut.sendLast(subscription, lane.standsAt + 1, this.lastBodies(service));
      this.fanOut.book(next, now, false);
    }
    this.updateDemand(service);
  }

  /** Ends it with a word to the subscriber. */
  endSubscription(subscription: Subscription, error: StanzapackError): void {
    subscription.link.sendFrame({
      type: "error",
      alias: subscription.alias,
      code: error.code,
      text: error.text,
      retryAfterMs: error.retryAfterMs ?? null,
    });
    this.unsubscribe(subscription);
  }

  unsubscribe(subscription: Subscription): void {
    const { service, link } = subscription;
    this.leaveLane(subscription.lane, subscription);
    this.budgets.count(link.jid, "subscriptions", -1);
    this.logs.forget(subscription);
    service.subscriptions.delete(subscription);
    service.awaiting.delete(subscription);
    link.subscriptions.delete(subscription.alias);
    link.taken.delete(service);
    link.detached.delete(subscription);
    this.updateDemand(service);
  }

  /** A publisher's DATA, from its own link. Throws what ends that link. */
  publish(service: Service, frame: DataFrame | CodedFrame, now: number): void {
    const { publisher } = service;
    if (publisher === undefined) return;
    const { link, reader } = publisher;
    const { opaque } = service.config;
    if (opaque === true) assertOpaqueFrame(frame);
    // In order and without a hole: IBB ended the link otherwise.
    const before = reader.bytes;
    const batch = reader.readPacked(frame, true, link.session.budget);
    link.readerBytes += reader.bytes - before;
    if (link.readerBytes > this.limits.maxReaderBytesPerLink)
      throw new StanzapackError(
        "limit-exceeded",
        `reading the services of this link takes over ${this.limits.maxReaderBytesPerLink} bytes of memory`,
        { origin: "peer" },
      );
    if (batch === undefined)
      throw new StanzapackError("gap", "DATA goes on from a body that did not come", { origin: "peer" });
    const { rows, values } = batch;
    if (opaque === true) assertOpaqueRows(rows);
    else if (values !== undefined && service.slowestWindowMs <= REMEMBERED_MS)
      for (const [i, row] of rows.entries()) rememberValue(row, values[i] as Value);
    link.pace.updates += rows.length;
    this.accept(service, batch, now, link.pace.owes);
  }

  /** `conflates`: its publisher is over its budget. */
  private accept(service: Service, batch: DataBatch<Uint8Array>, now: number, conflates: boolean): void {
    const { epoch, from: first, to: last, rows } = batch;
    const range = last - first + 1;
    if (rows.length > range)
      throw new StanzapackError("malformed", `DATA of ${range} positions has ${rows.length} rows`, {
        origin: "peer",
      });
    if (epoch === 0) throw new StanzapackError("malformed", "DATA with incarnation 0", { origin: "peer" });
    const { incarnations } = service;
    incarnations.enter(epoch);
    const { sequence } = incarnations;
    if (last <= sequence) {
      // Repeated: for those who have had nothing yet it is the answer to new demand.
      this.settleAwaiting(service);
      return;
    }
    // A jump is a loss that the publisher declares: those positions are never used, so subscribers see the hole.
    const lost = sequence === 0 ? 0 : Math.max(0, first - sequence - 1);
    const fresh = last - Math.max(sequence + 1, first) + 1;
    const most = conflates && service.journal === undefined ? 1 : fresh;
    const kept = rows.length > most ? rows.slice(rows.length - most) : rows;
    if (!Number.isSafeInteger(service.offset + lost + fresh)) {
      throw new StanzapackError("malformed", `DATA up to ${last} leaves no offsets for \`${service.node}\``, {
        origin: "peer",
      });
    }
    incarnations.advance(last);
    const from = service.offset + lost + 1;
    const to = service.offset + lost + fresh;
    service.offset = to;
    service.newest = undefined;
    this.stats.updatesIn += kept.length;

    // Older than the base of `at` cannot be told.
    const newestAt = Math.max(service.oldestAt, now - batch.at);
    const step = rows.length > 1 ? batch.spanMs / (rows.length - 1) : 0;
    const ats = kept.map((_, i) => newestAt - step * (kept.length - 1 - i));
    // A copy: the row is a view that would keep its whole block alive.
    service.last = { row: (kept[kept.length - 1] as Uint8Array).slice(), at: newestAt };
    service.awaiting.clear();
    if (service.journal !== undefined) this.logs.append(service, service.journal, from, to, kept, ats);
    const arrival = new Arrival(from, to, kept, ats);
    for (const lane of service.lanes.values()) {
      lane.push(arrival, now);
      this.fanOut.book(lane, now, lane.windowMs === service.demand.windowMs);
    }
  }

  private settleAwaiting(service: Service): void {
    for (const subscription of service.awaiting) {
      this.fanOut.sendLast(subscription, undefined, this.lastBodies(service));
    }
    service.awaiting.clear();
  }

  /** A consumer has read. Throws what ends its link. */
  credit(link: ClientLink, { alias, total }: CreditFrame, now: number): void {
    const subscription = alias === null ? undefined : link.subscriptions.get(alias);
    if (subscription === undefined) {
      // It may have ended meanwhile.
      if (alias !== null && link.isRetired(alias)) return;
      const text = `CREDIT for alias ${alias}, which is no subscription of this link`;
      throw new StanzapackError("unknown-alias", text, { origin: "peer" });
    }
    this.raiseCredit(subscription, total, now);
  }

  private raiseCredit(subscription: Subscription, total: number, now: number): void {
    subscription.raiseCredit(total);
    const { link } = subscription;
    if (link.detached.has(subscription) && link.maySendData && subscription.hasCredit)
      this.attachAgain(subscription, now);
  }

  /** Acknowledgements came: those who had to wait for them go on. */
  reattach(link: ClientLink, now: number): void {
    for (const subscription of link.detached) {
      if (!link.maySendData) return;
      if (subscription.hasCredit) this.attachAgain(subscription, now);
    }
  }

  /** One that had to wait gets the newest value, or a log what it has not had, and goes on with its lane. */
  private attachAgain(subscription: Subscription, now: number): void {
    subscription.link.detached.delete(subscription);
    if (subscription.service.journal !== undefined) return this.logs.resume(subscription);
    subscription.detached = false;
    // Many come back at once: those who stand at one place get one body.
    this.fanOut.sendLast(subscription, subscription.position + 1, this.lastBodies(subscription.service));
    subscription.lane.add(subscription);
    // What came while nobody took it.
    this.fanOut.book(subscription.lane, now, false);
  }

  linkEnded(link: ClientLink, now: number): void {
    for (const subscription of link.subscriptions.values()) this.unsubscribe(subscription);
    for (const service of link.services.values()) {
      service.publisher = undefined;
      service.offlineSince = now;
      this.tellStatus(service);
    }
    link.services.clear();
    this.approvals.linkEnded(link);
    this.fanOut.forgetLink(link);
  }

  private updateDemand(service: Service): void {
    const subscribers = service.subscriptions.size;
    const windowMs = demandedWindowMs(service);
    const told = service.demand;
    if (service.publisher === undefined || (told.subscribers === subscribers && told.windowMs === windowMs))
      return;
    if (told.windowMs === windowMs) this.staleDemand.add(service);
    else this.tellDemand(service);
  }

  private tellDemand(service: Service): void {
    this.staleDemand.delete(service);
    service.demand = { subscribers: service.subscriptions.size, windowMs: demandedWindowMs(service) };
    service.publisher?.link.sendFrame({ type: "demand", alias: service.publisher.alias, ...service.demand });
  }

  /** Another window may hold for all that this link publishes. */
  tellDemands(link: ClientLink): void {
    for (const service of link.services.values()) this.tellDemand(service);
  }

  stop(): void {
    this.logs.stop();
  }

  /** Once a second: counts to tell, values that publishers owe, services whose time is over. */
  sweep(now: number): void {
    this.approvals.sweep(now);
    this.logs.sweep(now);
    this.budgets.sweep();
    for (const service of this.staleDemand) this.tellDemand(service);
    for (const service of this.staleStatus) this.tellStatus(service);
    this.staleStatus.clear();
    for (const service of this.services.values()) {
      for (const subscription of service.awaiting) {
        if (now - subscription.awaitingSince < FRESH_VALUE_MS) break;
        this.settleAwaiting(service);
        break;
      }
      if (
        service.offlineSince !== undefined &&
        now - service.offlineSince > this.limits.serviceGraceSeconds * 1000
      )
        this.withdraw(service);
    }
  }
}

/** Its offer has ended, and why. */
function tellPublisher({ link, alias }: Publisher, code: ErrorCode, text: string): void {
  link.sendFrame({
    ...{ type: "error", alias, code, retryAfterMs: null },
    text: text.slice(0, DEFAULT_LIMITS.maxTextChars),
  });
}

/** One of the lane that waits for its link, its credit or a journal: looked for among all of the service. */
function findDetached(lane: Lane, left: Subscription): Subscription | undefined {
  for (const subscription of lane.service.subscriptions)
    if (subscription.lane === lane && subscription !== left) return subscription;
  return undefined;
}

function grant(
  { config }: Service,
  asked: AskedOptions,
): { readonly windowMs: number; readonly selection: Selection } {
  const { fields, deadband } = asked.selection;
  if (config.opaque === true && (fields !== null || deadband !== null))
    throw new StanzapackError(
      "invalid-options",
      "the values are opaque: neither `fields` nor `deadband` can be told of them",
    );
  const windowMs = grantWindow(asked.windowMs);
  return { windowMs, selection: grantSelection(asked.selection, windowMs, config.kind) };
}

/** In which its publisher is to send; wider than anyone wants while that is over its budget. */
function demandedWindowMs(service: Service): number | null {
  const wanted = service.wantedWindowMs();
  return wanted === null ? null : Math.max(wanted, service.publisher?.link.pace.windowMs ?? 0);
}

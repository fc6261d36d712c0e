import { createRowCodec, DEFAULT_LIMITS, StanzapackError, type RowCodec } from "@stanzapack/wire";
import { StanzaError } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { countRefusal } from "../base/refusals.js";
import type { ComponentStats } from "../base/stats.js";
import { Budgets } from "../budgets/budgets.js";
import { Calls } from "../calls/calls.js";
import { Approvals } from "../catalog/approvals.js";
import { Catalog } from "../catalog/catalog.js";
import { DemandReports } from "../catalog/demand-reports.js";
import { Offers, type RandomId } from "../catalog/offers.js";
import { Publishers } from "../catalog/publishers.js";
import type { Service } from "../catalog/service.js";
import { StatusReports } from "../catalog/status-reports.js";
import { StoredServices } from "../catalog/stored-services.js";
import { Upkeep } from "../catalog/upkeep.js";
import type { ComponentLimits } from "../config/config.js";
import { Cursors } from "../cursors/cursors.js";
import type { FanOut } from "../fanout/fan-out.js";
import { LaneMemory } from "../fanout/lane-memory.js";
import { LaneTable } from "../fanout/lane-table.js";
import { NewestValues } from "../fanout/newest-values.js";
import type { CreateKind } from "../kinds/kind.js";
import { Logs } from "../kinds/logs.js";
import { Maps } from "../kinds/maps.js";
import { ValueKind } from "../kinds/value.js";
import type { ClientLink } from "../links/client-link.js";
import { Subscriptions } from "../subscriptions/subscriptions.js";
import { Publishing } from "./publishing.js";

/** Joins the parts that know services, subscriptions and the publishers' data, and runs their sweep. */
export class Broker {
  readonly catalog = new Catalog();
  readonly demand = new DemandReports();
  readonly status = new StatusReports();
  readonly approvals: Approvals;
  readonly offers: Offers;
  private readonly upkeep: Upkeep;
  readonly subscriptions: Subscriptions;
  readonly publishing: Publishing;
  readonly stored: StoredServices;
  readonly cursors: Cursors;
  readonly calls: Calls;
  /** Memory of the encoders of all lanes. */
  readonly laneMemory: LaneMemory;
  readonly publishers: Publishers;
  readonly createKind: CreateKind;
  private readonly newest: NewestValues;
  readonly logs: Logs;
  readonly maps: Maps;

  constructor(
    private readonly fanOut: FanOut,
    codec: RowCodec,
    limits: ComponentLimits,
    private readonly stats: ComponentStats,
    randomId: RandomId,
    private readonly log: Logger,
    readonly budgets = new Budgets(limits, stats),
  ) {
    const { catalog, demand, status } = this;
    const calls = (this.calls = new Calls(budgets, limits, stats));
    const newest = (this.newest = new NewestValues(fanOut));
    const logs = (this.logs = new Logs(fanOut, limits, stats, log, budgets.isOurs, (subscription) =>
      this.subscriptions.endWithdrawn(subscription),
    ));
    logs.catchUp.onBegun = ({ outlet }, ms) => budgets.chargeWork(outlet.jid, ms);
    const approvals = (this.approvals = new Approvals(limits, stats, budgets, (link, service, options, now) =>
      this.subscriptions.subscribeTo(link, service, options, now),
    ));
    const publishers = (this.publishers = new Publishers(codec, demand, status, approvals, calls));
    const memory = (this.laneMemory = new LaneMemory(limits));
    const laneContext = {
      rows: createRowCodec(DEFAULT_LIMITS),
      deflatedRows: codec,
      limits,
      randomId,
      memory,
    };
    const lanes = new LaneTable(fanOut, laneContext, budgets, limits, stats, log);
    const cursors = (this.cursors = new Cursors(limits, log, budgets.isOurs));
    const shared = { catalog, approvals, demand, newest, fanOut, budgets, calls, cursors };
    const subscriptions = (this.subscriptions = new Subscriptions({ ...shared, lanes, logs }, limits));
    const value = new ValueKind(fanOut, newest);
    const maps = (this.maps = new Maps(
      fanOut,
      logs.catchUp,
      limits,
      { budgets, stats, log, cursors },
      (subscription, error) => this.subscriptions.end(subscription, error),
    ));
    const createKind: CreateKind = (this.createKind = (record, entries) => {
      const { kind } = record.config;
      return kind === "log" ? logs.create(record) : kind === "map" ? maps.create(record, entries) : value;
    });
    const stored = (this.stored = new StoredServices(randomId, log, stats));
    approvals.onApproved = (service) => void stored.changed(service.record);
    const offerParts = { ...shared, publishers, status, subscriptions, createKind, stored };
    const offers = (this.offers = new Offers(offerParts, limits, log));
    this.upkeep = new Upkeep({ offers, cursors, stored }, limits, log);
    this.publishing = new Publishing(fanOut, newest, limits, stats);
    this.publishing.onRefused = (service, error) => this.refusedUpdates(service, error);
    this.publishing.onLost = ({ node }, updates) =>
      log.warn({ node, updates }, "the publisher has lost updates: it no longer had them, and skips them");
    this.publishing.onUnstored = (service, error) => this.notStored(service, error);
  }

  /** A service's updates could not be stored. Its publisher keeps them, and is to offer the service again. */
  private notStored(service: Service, error: unknown): void {
    const reason = error instanceof StanzapackError ? error.text : String(error);
    // Another process owns the service in the store: nothing that is sent here can ever be stored.
    if (error instanceof StanzapackError && error.code === "fenced")
      return this.refusedUpdates(service, error);
    if (service.publisher !== undefined)
      this.log.error({ node: service.node, reason }, "updates are refused: the store does not take them");
    this.publishers.pause(
      service,
      `the component cannot store updates of \`${service.node}\` now: ${reason}`,
    );
  }

  /** A service takes no more of what its publisher sends: the offer ends, and the service stays as it is. */
  private refusedUpdates(service: Service, error: StanzapackError): void {
    const { code, text } = error;
    countRefusal(this.stats, service.publisher?.link.jid ?? service.node, error);
    this.log.info({ node: service.node, reason: text }, "updates are refused");
    this.publishers.refuse(service, code, text);
  }

  /** Counts and logs a refused request of this JID. `what` names the request, for the operator. */
  refused(jid: string, what: string, error: unknown): void {
    countRefusal(this.stats, jid, error);
    const known = error instanceof StanzapackError || error instanceof StanzaError;
    const reason = error instanceof StanzapackError ? error.text : String(error);
    if (known) this.log.info({ jid, reason }, `refused ${what}`);
    else this.log.error({ jid, err: error }, `${what} could not be handled`);
  }

  /** Ends what the link took. */
  subscriberGone(link: ClientLink): void {
    this.calls.callerGone(link);
    this.subscriptions.linkEnded(link);
  }

  /** Ends what the link took, and takes what it published offline. */
  linkEnded(link: ClientLink, now: number): void {
    this.subscriberGone(link);
    this.publishers.linkEnded(link, now);
    this.calls.publisherGone(link);
    this.approvals.linkEnded(link);
    this.fanOut.forgetWriter(link);
  }

  /** Once a second: reports that are due, values that publishers owe, services whose time is over. */
  sweep(now: number): void {
    this.approvals.sweep(now);
    this.logs.sweep(now);
    this.cursors.sweep();
    this.budgets.sweep();
    this.demand.sweep();
    this.status.sweep();
    this.calls.sweep();
    for (const service of this.catalog.services.values()) {
      this.newest.settleLate(service, now);
      service.kind.sweep?.(service, now);
      this.upkeep.sweep(service, now);
    }
  }

  stop(): void {
    this.cursors.flush();
    this.logs.stop();
    this.maps.stop();
  }
}

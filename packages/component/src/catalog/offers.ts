import { parseNode, StanzapackError, type NodeId } from "@stanzapack/wire";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { Later } from "../base/later.js";
import type { Budgets } from "../budgets/budgets.js";
import type { ComponentLimits } from "../config/config.js";
import type { Cursors } from "../cursors/cursors.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { NewestValues } from "../fanout/newest-values.js";
import type { CreateKind } from "../kinds/kind.js";
import type { StoredEntry } from "../store/store.js";
import type { Subscriber } from "../fanout/outlet.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { Subscriptions } from "../subscriptions/subscriptions.js";
import type { Approvals } from "./approvals.js";
import type { Catalog } from "./catalog.js";
import type { DemandReports } from "./demand-reports.js";
import { ANY_LEASE, type LeaseRequest } from "../options/service-config.js";
import type { Calls } from "../calls/calls.js";
import type { Publishers } from "./publishers.js";
import { Service, type PublisherLink, type RemoteOwner } from "./service.js";
import type { ServiceRecord } from "./service-record.js";
import type { ServiceConfig } from "../options/service-config.js";
import type { StatusReports } from "./status-reports.js";
import { assertSameMedium, type StoredServices } from "./stored-services.js";

/** Returns random numbers that distinguish the lives of a service: 32 bits, never 0. */
export type RandomId = () => number;

/** Returns the record of a new service: as a store has it, or a new one. `now`: monotonic, in ms. */
export type OpenRecord = (id: NodeId, config: ServiceConfig, now: number) => Later<ServiceRecord>;

/**
 * The outcome of an offer. `holder`: another link of the account has the writer's lease, and this offer neither takes
 * the lease over nor is of the same outbox.
 */
export type OfferOutcome =
  { readonly service: Service; readonly created: boolean } | { readonly holder: PublisherLink };

/** The parts of the component that an offer concerns. */
export interface OfferParts {
  readonly catalog: Catalog;
  readonly publishers: Publishers;
  readonly approvals: Approvals;
  readonly demand: DemandReports;
  readonly status: StatusReports;
  readonly subscriptions: Subscriptions;
  readonly stored: StoredServices;
  readonly createKind: CreateKind;
  readonly newest: NewestValues;
  readonly fanOut: FanOut;
  readonly budgets: Budgets;
  readonly cursors: Cursors;
  readonly calls: Calls;
}

/** Claims services where several nodes may own them. */
export interface Claims {
  /**
   * Makes this node the owner of a service, and opens it. Rejects as `open` of the store, with `conflict` if another
   * node was faster, and with `busy` while nothing can be claimed. Undefined: services of this owner need no claim.
   */
  claim(
    id: NodeId,
    config: ServiceConfig,
    existing: Service | undefined,
    lease: LeaseRequest,
  ): Promise<ServiceRecord> | undefined;
  /** This node owns a service from now on that it knew of another node. */
  adopted(service: Service): void;
}

/** A record that is being opened, and how many offers wait for it. */
interface Opening {
  readonly node: string;
  readonly record: Promise<ServiceRecord>;
  offers: number;
}

/** Begins, configures and withdraws services. */
export class Offers {
  /** Called for each service that is offered anew. */
  onOffered: ((service: Service) => void) | undefined;
  /** Called for each service that ends, with those who had subscribed or waited for approval. */
  onWithdrawn: ((service: Service, subscribers: readonly Subscriber[]) => void) | undefined;
  /** Called for each service that ends, behind `onWithdrawn`. */
  onEnded: ((service: Service) => void) | undefined;
  /** Called for each subscription that a publisher takes away. */
  onRevoked: ((subscription: Subscription) => void) | undefined;

  /** Claims services for this node, while there are other nodes. */
  claims: Claims | undefined;

  /** Records that are being opened, by node. */
  private readonly opening = new Map<string, Opening>();

  constructor(
    private readonly parts: OfferParts,
    private readonly limits: ComponentLimits,
    private readonly log: Logger,
  ) {}

  /**
   * A publisher offers a service, or comes back to it. If another link is the `holder` of the lease, the caller finds
   * out whether that link lives, and calls again. Throws, or rejects with, `bad-name`, `forbidden`, `conflict`,
   * `limit-exceeded`, or `link-required` when the link has ended meanwhile.
   */
  offer(
    link: PublisherLink,
    node: string,
    asked: ServiceConfig,
    now: number,
    lease: LeaseRequest = ANY_LEASE,
  ): Later<OfferOutcome> {
    const id = parseNode(node);
    const config = this.parts.stored.complete(asked);
    if (id.owner !== link.bareJid) {
      throw new StanzapackError("forbidden", `${link.bareJid} cannot offer \`${node.slice(0, 200)}\``);
    }
    const { services } = this.parts.catalog;
    const existing = services.get(node);
    link.checkAlias();
    if (existing !== undefined && existing.owner === undefined)
      return this.offerAgain(existing, link, config, now, lease);
    if (existing === undefined) this.assertRoom(id.owner);
    else {
      assertSame(existing.record, config);
      const { publisher } = existing;
      const isSame = lease.incarnation !== undefined && publisher?.incarnation === lease.incarnation;
      if (publisher !== undefined && !lease.takeOver && !isSame) return { holder: publisher.link };
    }
    const opening = this.opening.get(node);
    // Two offers that wait have one record.
    const record =
      opening?.record ??
      this.claims?.claim(id, config, existing, lease) ??
      this.parts.stored.open(id, config, now);
    if (!(record instanceof Promise)) return this.begin(record, config, link, now, lease);
    return this.beginLater(opening ?? this.remember(node, record), config, link, lease);
  }

  private remember(node: string, record: Promise<ServiceRecord>): Opening {
    const opening = { node, record, offers: 0 };
    this.opening.set(node, opening);
    const close = (): unknown => this.opening.delete(node);
    record.then(close, close);
    return opening;
  }

  private async beginLater(
    opening: Opening,
    config: ServiceConfig,
    link: PublisherLink,
    lease: LeaseRequest,
  ): Promise<OfferOutcome> {
    const { node } = opening;
    const { services } = this.parts.catalog;
    opening.offers++;
    const record = await opening.record;
    opening.offers--;
    try {
      link.assertOpen();
      const now = monotonicNow();
      // Another session of the account may have offered the service meanwhile.
      const begun = services.get(node);
      if (begun !== undefined && begun.owner === undefined)
        return this.offerAgain(begun, link, config, now, lease);
      link.checkAlias();
      if (begun === undefined) this.assertRoom(record.id.owner);
      else await this.adopt(begun, record);
      return this.begin(record, config, link, now, lease);
    } catch (error) {
      // Nobody else waits for the record.
      if (opening.offers === 0 && services.get(node)?.record !== record) await this.leave(record);
      throw error;
    }
  }

  private assertRoom(owner: string): void {
    const { catalog, budgets } = this.parts;
    budgets.checkRoom(owner, "services");
    if (catalog.services.size >= this.limits.maxServices) {
      budgets.noteTotalUsedUp();
      throw new StanzapackError(
        "limit-exceeded",
        `${catalog.services.size} services are offered, no more are allowed`,
        { scope: "subscription" },
      );
    }
  }

  private begin(
    record: ServiceRecord,
    config: ServiceConfig,
    link: PublisherLink,
    now: number,
    lease: LeaseRequest,
  ): OfferOutcome {
    const { catalog, publishers } = this.parts;
    const { node } = record;
    assertSame(record, config);
    record.config = config;
    const service = catalog.services.get(node) ?? this.add(record);
    publishers.attach(service, link, lease.incarnation, now);
    const { kind, access, durability } = config;
    const { size } = catalog.services;
    this.log.info({ node, jid: link.jid, kind, access, durability, services: size }, "service offered");
    this.onOffered?.(service);
    return { service, created: true };
  }

  private add(record: ServiceRecord, entries?: Iterable<StoredEntry>): Service {
    const { catalog, budgets, createKind } = this.parts;
    const service = new Service(record, createKind(record, entries));
    catalog.add(service);
    budgets.count(record.id.owner, "services", 1);
    return service;
  }

  /** This node owns a service from now on that another node owned. Its subscriptions here go on. */
  private async adopt(service: Service, record: ServiceRecord): Promise<void> {
    const { publishers, subscriptions, createKind } = this.parts;
    const entries = record.config.kind === "map" ? await record.stored?.entries() : undefined;
    const now = monotonicNow();
    publishers.lost(service, now);
    service.owner = undefined;
    this.claims?.adopted(service);
    subscriptions.rehome(service, record, createKind(record, entries), now);
  }

  /** A record was opened for an offer that has failed. Where nodes share a store, it may have had updates for long. */
  private async leave(record: ServiceRecord): Promise<void> {
    const { catalog, stored } = this.parts;
    if (this.claims === undefined || record.stored === undefined) return stored.discard(record);
    const known = catalog.services.get(record.node);
    if (known?.owner !== undefined) await this.adopt(known, record);
    else if (known === undefined) this.add(record).offlineSince = monotonicNow();
  }

  /** Lists a service that another node owns. */
  list(record: ServiceRecord, owner: RemoteOwner): Service {
    const service = this.add(record);
    service.owner = owner;
    this.onOffered?.(service);
    return service;
  }

  /** Brings back the services that are stored. Their publishers are offline. Returns how many there are. */
  async restore(isOurs?: (node: string) => boolean): Promise<number> {
    const records = await this.parts.stored.restore(isOurs);
    for (const record of records) {
      const { stored, config } = record;
      const entries = config.kind === "map" ? await stored?.entries() : undefined;
      const goneMs = Math.max(0, wallNow() - (stored?.record.seenAt ?? 0));
      this.add(record, entries).offlineSince = monotonicNow() - goneMs;
    }
    return records.length;
  }

  private offerAgain(
    service: Service,
    link: PublisherLink,
    config: ServiceConfig,
    now: number,
    lease: LeaseRequest,
  ): OfferOutcome {
    const holder = this.takeLease(service, link, config, now, lease);
    if (holder !== undefined) return { holder };
    if (service.publisher === undefined) this.parts.publishers.attach(service, link, lease.incarnation, now);
    return { service, created: false };
  }

  /** Returns the link that keeps the lease. Undefined: the offer is accepted, and an earlier publisher is fenced. */
  private takeLease(
    service: Service,
    link: PublisherLink,
    config: ServiceConfig,
    now: number,
    { incarnation, takeOver }: LeaseRequest,
  ): PublisherLink | undefined {
    const { node, publisher } = service;
    const isSame = incarnation !== undefined && publisher?.incarnation === incarnation;
    if (publisher !== undefined && publisher.link !== link && !takeOver && !isSame) return publisher.link;
    assertSame(service.record, config);
    if (publisher !== undefined && (publisher.link !== link || (incarnation !== undefined && !isSame)))
      this.parts.publishers.release(
        ...([service, link, "fenced", `\`${node}\` was taken over by your session ${link.jid}`] as const),
      );
    void this.configure(service, config, now);
    return undefined;
  }

  /**
   * Takes a new configuration. It may end subscriptions at once, and may answer those who await approval. Resolves when
   * the store has the configuration. Logs a failure.
   */
  configure(service: Service, asked: ServiceConfig, now: number): Later<void> {
    const config = this.parts.stored.complete(asked);
    assertSame(service.record, config);
    service.record.config = config;
    const stored = this.parts.stored.changed(service.record);
    this.reconsider(service, now);
    return stored;
  }

  /** The access to a service has changed: ends what is not allowed any more, and begins what is allowed now. */
  reconsider(service: Service, now: number): void {
    for (const subscription of service.subscriptions) {
      const { bareJid } = subscription.outlet;
      if (service.record.mayTake(bareJid)) continue;
      this.onRevoked?.(subscription);
      this.parts.subscriptions.end(
        subscription,
        new StanzapackError(
          "not-allowed",
          `the publisher no longer allows ${bareJid} to subscribe to \`${service.node}\``,
        ),
      );
    }
    this.parts.cursors.reconsider(service);
    this.parts.approvals.reconsider(service, now);
  }

  /** Ends a service here that another node owned, and that was withdrawn there. */
  withdrawListed(service: Service): void {
    void this.end(service, undefined, false, "");
  }

  /** Ends a service after its last values. `by`: the link that withdrew the service, which needs no ERROR. */
  withdraw(service: Service, by?: PublisherLink): void {
    void this.end(service, by, false, `\`${service.node}\` was withdrawn by another session of yours`);
  }

  /**
   * Ends a service at once: its subscribers receive no more of it. Resolves when the store has deleted it. Rejects with
   * `store-failed`.
   */
  erase(service: Service): Later<void> {
    const text = `\`${service.node}\` was removed by an administrator`;
    for (const subscription of service.subscriptions)
      this.parts.subscriptions.end(subscription, new StanzapackError("withdrawn", text));
    return this.end(service, undefined, true, text);
  }

  /** `text`: for the publisher's link, unless the link is `by`. */
  private end(service: Service, by: PublisherLink | undefined, isErased: boolean, text: string): Later<void> {
    const { catalog, publishers, approvals, demand, status, newest, fanOut, budgets, stored, calls } =
      this.parts;
    const { node, id, kind } = service;
    fanOut.flushAll([service]);
    // The stream to the server is backed up. The end must not overtake what waits for the stream.
    for (const lane of service.lanes.values()) if (!lane.batch.empty) kind.setAside(lane);
    // The publisher answers new demand no more.
    newest.settle(service);
    service.withdrawn = true;
    this.onWithdrawn?.(service, [
      ...[...service.subscriptions].map(({ outlet }) => outlet),
      ...approvals.waitingFor(service),
    ]);
    this.parts.cursors.serviceEnded(service);
    calls.withdrawn(service);
    this.endSubscriptions(service);
    publishers.release(service, by, "withdrawn", text);
    const deleted = stored.withdrawn(service.record, kind.hasHistory && !isErased);
    kind.withdraw(service, monotonicNow());
    catalog.remove(service);
    this.log.info({ node, by: by?.jid, services: catalog.services.size }, "service withdrawn");
    approvals.serviceEnded(service);
    demand.forget(service);
    status.forget(service);
    budgets.count(id.owner, "services", -1);
    this.onEnded?.(service);
    return deleted;
  }

  private endSubscriptions(service: Service): void {
    const { subscriptions, newest } = this.parts;
    for (const subscription of service.subscriptions) {
      if (service.kind.hasRest(subscription)) continue;
      // A subscription that had to wait for acknowledgements or credit receives the last value all the same.
      if (subscription.detached && !service.kind.keepsUpdates)
        newest.send(subscription, subscription.position + 1);
      subscriptions.endWithdrawn(subscription);
    }
  }
}

/** Throws `conflict` where the configuration differs in what never changes while a service is offered. */
function assertSame({ node, config }: ServiceRecord, asked: ServiceConfig): void {
  if (config.kind !== asked.kind)
    throw new StanzapackError(
      "conflict",
      `\`${node}\` is offered as ${config.kind}, not ${asked.kind}: withdraw it first`,
    );
  assertSameMedium(node, config.durability ?? "none", asked.durability ?? "none");
  if ((config.opaque ?? false) === (asked.opaque ?? false)) return;
  const offered = asked.opaque === true ? "with values that are not opaque" : "as opaque";
  throw new StanzapackError("conflict", `\`${node}\` is offered ${offered}: withdraw it first`);
}

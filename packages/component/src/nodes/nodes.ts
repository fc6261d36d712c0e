import { formatNode, StanzapackError, type NodeId } from "@stanzapack/wire";
import { monotonicNow, wallAheadMs, wallNow, type Connection } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { Broker } from "../broker/broker.js";
import type { Claims } from "../catalog/offers.js";
import type { Service } from "../catalog/service.js";
import type { ServiceRecord } from "../catalog/service-record.js";
import { toPlain } from "../catalog/stored-services.js";
import type { Arrival } from "../fanout/selector.js";
import type { LeaseRequest, ServiceConfig } from "../options/service-config.js";
import type { NodeRow } from "../overview/rows.js";
import type { Store } from "../store/store.js";
import { Following } from "./following.js";
import { Listing } from "./listing.js";
import { Mailbox } from "./mailbox.js";
import { encodeLive } from "./messages.js";
import type { CatalogEntry, NodeInfo, NodeStore } from "./node-store.js";
import { OwnEntries } from "./own-entries.js";
import { NodeRequests } from "./node-requests.js";
import { Placement } from "./placement.js";
import { Session } from "./session.js";

/** Time to retry for a publisher that this node cannot serve now, in ms. */
const RETRY_MS = 2_000;
/** Claims that a start makes at once. */
const CLAIMED_AT_ONCE = 256;
/** Tries of one claim while others are faster. */
const MOST_TRIES = 3;

export interface NodesHost {
  readonly domain: string;
  readonly broker: Broker;
  readonly store: Store;
  readonly log: Logger;
  readonly describe: () => Pick<NodeInfo, "weight" | "region" | "links" | "subscriptions">;
  /** Resolves with whether the full JID has a link here whose client lives. */
  readonly verify: (fullJid: string) => Promise<boolean>;
  readonly connection: Connection;
  /** Tells all clients to go on at another node. */
  readonly sendAway: (why: string) => void;
}

/**
 * This node among the nodes of the component. Nodes share one store. Each service belongs to the node of its publisher's
 * link, and every other node lists it, and follows it while somebody subscribes there.
 */
export class Nodes implements Claims {
  readonly session: Session;
  /** Which node a client should use. */
  readonly placement: Placement;
  private readonly store: NodeStore;
  private readonly mailbox: Mailbox;
  private readonly own: OwnEntries;
  private readonly listing: Listing;
  private readonly following: Following;
  private readonly requests: NodeRequests;
  private watching: { stop(): void } | undefined;

  constructor(private readonly host: NodesHost) {
    const { domain, broker, log } = host;
    if (host.store.share === undefined)
      throw new StanzapackError("invalid-options", "several nodes need `store: { kind: redis }`");
    const store = (this.store = host.store.share());
    const describe = (): Omit<NodeInfo, "session" | "lagMs"> => ({
      ...host.describe(),
      ...{ services: this.own.size, followed: this.following.size },
    });
    this.session = new Session(store, domain, describe, {
      onNodes: () => this.listing.reconsider(),
      onLost: () => this.lost(),
      onBack: () => log.info({ domain }, "this node has its place among the nodes"),
    });
    const { session } = this;
    const mailbox = (this.mailbox = new Mailbox(
      store,
      domain,
      (message) => this.requests.take(message),
      (error) => log.warn({ err: error }, "a message of another node cannot be read"),
    ));
    const identity = { domain, session: session.id };
    const own = (this.own = new OwnEntries(store, identity, (service) => this.fenced(service)));
    const following = (this.following = new Following({ ...{ store, mailbox, broker, session, log } }));
    this.listing = new Listing({ ...{ broker, session, mailbox, following, own, log, store } });
    this.placement = new Placement(host, session);
    this.requests = new NodeRequests({ ...{ broker, own, mailbox, log, verify: host.verify } });
  }

  /** Takes this node's place among the others, and brings back its services. Resolves to how many there are. */
  async start(): Promise<number> {
    const { broker } = this.host;
    broker.stored.isShared = true;
    await this.session.start();
    await this.mailbox.start();
    const entries = await new Promise<ReadonlyMap<string, CatalogEntry>>((resolve) => {
      let isFirst = true;
      this.watching = this.store.watch({
        onWhole: (whole) => {
          if (isFirst) resolve(whole);
          else this.listing.whole(whole);
          isFirst = false;
        },
        onChange: (node, entry) => this.listing.change(node, entry),
      });
    });
    const claimed = await this.claimStored(entries);
    const restored = await broker.offers.restore((node) => claimed.has(node));
    for (const [node, entry] of claimed) {
      this.own.claimed(node, entry.fence);
      const service = broker.catalog.services.get(node);
      if (service !== undefined) this.own.add(service);
    }
    this.listing.whole(entries);
    this.hook();
    return restored;
  }

  /** Claims the services of this node's earlier life, and those that are in no catalogue yet. */
  private async claimStored(
    entries: ReadonlyMap<string, CatalogEntry>,
  ): Promise<Map<string, { readonly fence: number }>> {
    const { domain, store } = this.host;
    const wanted: (readonly [string, number | undefined, Omit<CatalogEntry, "fence">])[] = [];
    const base = { domain, session: this.session.id, online: false, status: "online", paceMs: null };
    const rest = { ...base, incarnation: undefined, calls: false };
    for (const { node, config, epoch, baseAt, approved } of store.services()) {
      const known = entries.get(node);
      if (known === undefined || known.domain === domain)
        wanted.push([node, known?.fence, { ...rest, epoch, baseAt, config, approved }]);
    }
    const claimed = new Map<string, { readonly fence: number }>();
    for (let i = 0; i < wanted.length; i += CLAIMED_AT_ONCE)
      await Promise.all(
        wanted.slice(i, i + CLAIMED_AT_ONCE).map(async (each) => {
          const claim = await this.store.claim(...each);
          if ("fence" in claim) claimed.set(each[0], claim);
        }),
      );
    return claimed;
  }

  private hook(): void {
    const { broker } = this.host;
    broker.offers.claims = this;
    broker.catalog.prepare = (service, bareJid, cursor) => this.prepare(service, bareJid, cursor);
    broker.publishing.mayTake = (service, now) => this.mayTake(service, now);
    broker.publishing.onDelivered = (...args) => this.delivered(...args);
    broker.status.onTold = (service) => this.own.mark(service);
    broker.stored.onChanged = ({ node }) => {
      const service = broker.catalog.services.get(node);
      if (service !== undefined) this.own.mark(service);
    };
    broker.offers.onEnded = (service) => {
      this.following.end(service);
      this.own.end(service);
    };
    broker.approvals.onRefused = (question) => this.requests.refused(question);
  }

  /** Why this node cannot own services now. Undefined: it can. */
  get problem(): string | undefined {
    return this.session.isValid(monotonicNow()) ? undefined : "this node cannot renew its session in Redis";
  }

  /** What administrators see of all nodes that were here lately, by domain. */
  rows(): NodeRow[] {
    const inOrder = [...this.session.all].sort((a, b) => (a.domain < b.domain ? -1 : 1));
    return inOrder.map(({ domain, session, region = null, ...info }) => ({
      ...{ domain, region, isAlive: this.session.isAlive(domain, session) },
      ...{ weight: info.weight, links: info.links, services: info.services, followed: info.followed },
      ...{ subscriptions: info.subscriptions, ageMs: info.ageMs, lagMs: info.lagMs },
    }));
  }

  claim(
    id: NodeId,
    config: ServiceConfig,
    existing: Service | undefined,
    lease: LeaseRequest,
  ): Promise<ServiceRecord> | undefined {
    // What the component itself offers, each node offers under its own domain.
    return id.owner.includes("@") ? this.claimNow(id, config, existing, lease) : undefined;
  }

  private async claimNow(
    id: NodeId,
    config: ServiceConfig,
    existing: Service | undefined,
    { incarnation, takeOver }: LeaseRequest,
  ): Promise<ServiceRecord> {
    const { broker, domain } = this.host;
    const { session } = this;
    const node = formatNode(id);
    if (!session.isValid(monotonicNow())) throw this.busy(node);
    const entry = {
      ...{ domain, session: session.id, epoch: existing?.record.epoch ?? 0, baseAt: 0 },
      ...{ config: toPlain(config), approved: [...(existing?.record.approved ?? [])] },
      ...{ online: false, status: "online", paceMs: null, incarnation, calls: false },
    };
    let expected = this.listing.entryOf(node)?.fence;
    for (let i = 0; i < MOST_TRIES; i++) {
      const claim = await this.store.claim(node, expected, entry).catch(() => undefined);
      if (claim === undefined) throw this.busy(node);
      if ("fence" in claim) {
        this.own.claimed(node, claim.fence);
        const record = await broker.stored.takeOver(id, config);
        this.own.assertClaimed(node, claim.fence);
        return record;
      }
      const other = claim.entry;
      const isTheirs = other?.online === true && session.isAlive(other.domain, other.session);
      if (isTheirs && !takeOver && (incarnation === undefined || other.incarnation !== incarnation))
        throw new StanzapackError("conflict", `\`${node}\` is offered at ${other.domain}`);
      expected = other?.fence;
    }
    throw this.busy(node);
  }

  adopted(service: Service): void {
    this.following.end(service);
  }

  private busy(node: string): StanzapackError {
    return new StanzapackError("busy", `this node cannot take \`${node}\` now: its store does not answer`, {
      retryAfterMs: RETRY_MS,
    });
  }

  private prepare(service: Service, bareJid: string, cursor: string | undefined): Promise<void> | undefined {
    const followed = service.owner === undefined ? undefined : this.following.follow(service).ready;
    const read =
      cursor === undefined ? undefined : this.host.broker.cursors.refresh(service.node, bareJid, cursor);
    if (followed === undefined && read === undefined) return undefined;
    return Promise.all([followed, read]).then(() => undefined);
  }

  private mayTake(service: Service, now: number): boolean {
    if (!this.own.has(service) || this.session.isValid(now)) return true;
    this.pause(service);
    return false;
  }

  private pause(service: Service): void {
    this.host.broker.publishers.pause(
      service,
      `this node cannot reach its store, and takes nothing of \`${service.node}\` until it can`,
    );
  }

  /** This node may own nothing until its session is renewed. */
  private lost(): void {
    this.host.log.error(
      { domain: this.host.domain },
      "this node has lost its place among the nodes: Redis is away",
    );
    for (const service of this.own.services()) this.pause(service);
  }

  /** Another node has claimed a service of this one. */
  private fenced(service: Service): void {
    const entry = this.listing.entryOf(service.node);
    if (entry !== undefined) this.listing.change(service.node, entry);
  }

  private delivered(service: Service, { from, to, rows, ats }: Arrival, before: number): void {
    const fence = this.own.fenceOf(service);
    if (service.followers.size === 0 || fence === undefined) return;
    const ahead = wallAheadMs();
    this.store.tell(
      { followersOf: service.node },
      encodeLive({
        ...{ fence, epoch: service.record.epoch, before, from, to, rows, cameAt: wallNow() },
        ats: ats.map((at) => at + ahead),
      }),
    );
  }

  /** Once a second. */
  sweep(now: number): void {
    this.placement.sweep(now);
    this.own.sweep();
    this.requests.sweep(now);
    this.following.sweep(now);
  }

  async stop(): Promise<void> {
    this.watching?.stop();
    this.placement.stop();
    this.mailbox.stop();
    this.following.stop();
    await this.session.stop();
  }
}

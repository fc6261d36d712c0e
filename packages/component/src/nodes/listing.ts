import { parseNode } from "@stanzapack/wire";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { Broker } from "../broker/broker.js";
import type { Service } from "../catalog/service.js";
import { ServiceRecord } from "../catalog/service-record.js";
import { fromPlain } from "../catalog/stored-services.js";
import type { Following } from "./following.js";
import type { Mailbox } from "./mailbox.js";
import type { CatalogEntry, NodeStore } from "./node-store.js";
import type { OwnEntries } from "./own-entries.js";
import { RemotePublisher } from "./remote-publisher.js";
import type { Session } from "./session.js";

/** How long the owner of a service has to say whether its publisher lives, in ms. */
const VERIFY_MS = 3_000;

export interface ListingParts {
  readonly broker: Broker;
  readonly session: Session;
  readonly mailbox: Mailbox;
  readonly following: Following;
  readonly own: OwnEntries;
  readonly store: Pick<NodeStore, "refresh">;
  readonly log: Logger;
}

/** Lists the services of other nodes in this node's catalogue, as the shared catalogue has them. */
export class Listing {
  private readonly entries = new Map<string, CatalogEntry>();

  constructor(private readonly parts: ListingParts) {}

  entryOf(node: string): CatalogEntry | undefined {
    return this.entries.get(node);
  }

  /** Takes the whole catalogue. */
  whole(entries: ReadonlyMap<string, CatalogEntry>): void {
    for (const node of [...this.entries.keys()]) if (!entries.has(node)) this.change(node, undefined);
    for (const [node, entry] of entries) this.change(node, entry);
    // Redis may have lost entries of this node.
    for (const service of this.parts.own.services())
      if (!entries.has(service.node)) void this.parts.own.claimAgain(service);
  }

  /** Takes one change. Undefined: the service was withdrawn. */
  change(node: string, entry: CatalogEntry | undefined): void {
    const { broker, own, session } = this.parts;
    const service = broker.catalog.services.get(node);
    if (entry === undefined) {
      this.entries.delete(node);
      if (service?.owner !== undefined) broker.offers.withdrawListed(service);
      return;
    }
    this.entries.set(node, entry);
    session.meet(entry.domain, entry.session);
    const fence = own.fenceAt(node);
    if (entry.session === session.id || (fence !== undefined && fence >= entry.fence)) return;
    if (service === undefined) this.list(node, entry);
    else if (service.owner === undefined) this.disown(service, entry);
    else this.update(service, entry);
  }

  private list(node: string, entry: CatalogEntry): void {
    const { broker } = this.parts;
    const { config, epoch, baseAt, approved } = entry;
    const record = new ServiceRecord(
      ...([parseNode(node), fromPlain(config), epoch, monotonicNow(), undefined, [], baseAt] as const),
    );
    for (const jid of approved) record.approved.add(jid, wallNow());
    const service = broker.offers.list(record, ownerOf(entry));
    this.setOnline(service, entry);
  }

  /** Another node has taken a service of this one over. */
  private disown(service: Service, entry: CatalogEntry): void {
    const { broker, own, following, log, store } = this.parts;
    const { node } = service;
    log.info({ node, domain: entry.domain }, "another node has taken this service over");
    own.lost(node, service);
    broker.publishers.refuse(service, "fenced", `\`${node}\` was taken over at ${entry.domain}`);
    service.owner = ownerOf(entry);
    service.followers.clear();
    // What is stored is read anew, because the other node may have written already.
    void following
      .follow(service)
      .ready.then(() => (own.fenceAt(node) === undefined ? store.refresh(node) : undefined))
      .catch((error: unknown) =>
        log.warn({ node, err: error }, "a service that moved could not be read yet"),
      );
    this.setOnline(service, entry);
  }

  private update(service: Service, entry: CatalogEntry): void {
    const { broker, following } = this.parts;
    const { record, owner } = service;
    const now = monotonicNow();
    const isNew = owner?.fence !== entry.fence;
    service.owner = ownerOf(entry);
    record.config = fromPlain(entry.config);
    const approved = new Set(entry.approved);
    for (const jid of [...record.approved]) if (!approved.has(jid)) record.approved.delete(jid);
    for (const jid of approved) if (!record.approved.has(jid)) record.approved.add(jid, wallNow());
    broker.offers.reconsider(service, now);
    if (isNew) {
      broker.publishers.lost(service, now);
      following.ownerChanged(service);
    }
    this.setOnline(service, entry);
  }

  /** Takes over what the owner says of the publisher. */
  private setOnline(service: Service, entry: CatalogEntry): void {
    const { broker, session } = this.parts;
    const { publishers, status } = broker;
    const now = monotonicNow();
    const isOnline = entry.online && session.isAlive(entry.domain, entry.session);
    const { publisher } = service;
    if (publisher !== undefined && (!isOnline || publisher.incarnation !== entry.incarnation)) {
      publishers.lost(service, now);
      if (!isOnline) return status.tell(service);
    }
    if (!isOnline) return;
    if (service.publisher === undefined)
      publishers.attach(service, this.publisherOf(service, entry), entry.incarnation, now);
    if (service.status === entry.status && service.paceMs === entry.paceMs) return;
    service.status = entry.status as typeof service.status;
    service.paceMs = entry.paceMs;
    status.tell(service);
  }

  private publisherOf({ node, id }: Service, entry: CatalogEntry): RemotePublisher {
    const { mailbox, following, broker } = this.parts;
    const { domain } = entry;
    return new RemotePublisher(id.owner, domain, entry.calls, {
      node,
      tell: (message) => mailbox.tell(domain, message),
      onDemand: () => following.tellDemand(node),
      verify: async () => {
        const reply = await mailbox.ask(domain, { type: "verify", node }, "verified", VERIFY_MS);
        if (reply?.isAlive === true) return true;
        const service = broker.catalog.services.get(node);
        if (service?.owner !== undefined) broker.publishers.lost(service, monotonicNow());
        return false;
      },
    });
  }

  /** A node has come or gone: services of it have another status. */
  reconsider(): void {
    for (const [node, entry] of this.entries) {
      const service = this.parts.broker.catalog.services.get(node);
      if (service?.owner === undefined) continue;
      const isOnline = entry.online && this.parts.session.isAlive(entry.domain, entry.session);
      if (isOnline !== service.online) this.setOnline(service, entry);
    }
  }
}

function ownerOf({ domain, fence }: CatalogEntry): { readonly domain: string; readonly fence: number } {
  return { domain, fence };
}

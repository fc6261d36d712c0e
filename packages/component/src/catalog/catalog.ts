import { StanzapackError } from "@stanzapack/wire";
import type { ServiceFinder } from "../subscriptions/subscriptions.js";
import type { Service } from "./service.js";
import { ServiceList } from "./service-list.js";

const NONE: ReadonlySet<Service> = new Set();

/** Every service that is offered, by node, by owner, and in the order of listing. */
export class Catalog {
  private readonly byNode = new Map<string, Service>();
  private readonly byOwner = new Map<string, Set<Service>>();
  /** For listing page by page. */
  readonly list = new ServiceList();

  /** See `ServiceFinder`. Set while there are other nodes. */
  prepare: ServiceFinder["prepare"];

  /** Services by node. */
  get services(): ReadonlyMap<string, Service> {
    return this.byNode;
  }

  /** Returns the service of this node. Does not check who may see it. Throws `no-such-service`. */
  find(node: string): Service {
    const service = this.byNode.get(node);
    if (service === undefined)
      throw new StanzapackError("no-such-service", `nobody offers \`${node.slice(0, 200)}\``);
    return service;
  }

  /** Returns the service to its owner. Throws `no-such-service` or `forbidden`. */
  own(node: string, bareJid: string): Service {
    // XEP-0060 §8.2.3: a node that nobody offers does not exist, whoever asks.
    const service = this.find(node);
    const { owner } = service.id;
    if (owner !== bareJid)
      throw new StanzapackError("forbidden", `\`${service.node}\` belongs to ${owner}, not to ${bareJid}`);
    return service;
  }

  /** Returns what a bare JID offers. */
  ownedBy(owner: string): ReadonlySet<Service> {
    return this.byOwner.get(owner) ?? NONE;
  }

  add(service: Service): void {
    const { node, id } = service;
    this.byNode.set(node, service);
    this.list.add(service);
    this.byOwner.set(id.owner, (this.byOwner.get(id.owner) ?? new Set()).add(service));
  }

  /** Takes out a service whose `withdrawn` is set. */
  remove(service: Service): void {
    const { node, id } = service;
    this.byNode.delete(node);
    this.list.remove(service);
    const owned = this.byOwner.get(id.owner);
    owned?.delete(service);
    if (owned?.size === 0) this.byOwner.delete(id.owner);
  }
}

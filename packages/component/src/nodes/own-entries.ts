import { StanzapackError } from "@stanzapack/wire";
import type { Service } from "../catalog/service.js";
import { toPlain } from "../catalog/stored-services.js";
import type { CatalogEntry, NodeStore } from "./node-store.js";

/** The services that this node owns, and what the catalogue says of them. */
export class OwnEntries {
  /** Fencing tokens by node, from the claim on. */
  private readonly fences = new Map<string, number>();
  private readonly owned = new Map<Service, { readonly fence: number; told: string | undefined }>();
  /** Services whose entry may be out of date. */
  private readonly stale = new Set<Service>();
  /** Entries that are to be removed. */
  private readonly ended = new Map<string, number>();
  private booked: NodeJS.Immediate | undefined;

  constructor(
    private readonly store: Pick<NodeStore, "claim" | "change" | "remove">,
    private readonly identity: { readonly domain: string; readonly session: string },
    /** Called when another node has claimed the service. */
    private readonly onFenced: (service: Service) => void,
  ) {}

  /** This node has claimed a service that it opens next. */
  claimed(node: string, fence: number): void {
    this.fences.set(node, fence);
    this.ended.delete(node);
  }

  /** Throws `conflict` if another node has claimed the service meanwhile. */
  assertClaimed(node: string, fence: number): void {
    if (this.fences.get(node) !== fence)
      throw new StanzapackError("conflict", `another node has taken \`${node}\` over`);
  }

  /** The service is open, and this node owns it. */
  add(service: Service): void {
    const fence = this.fences.get(service.node);
    if (fence === undefined || this.owned.get(service)?.fence === fence) return;
    this.owned.set(service, { fence, told: undefined });
    this.mark(service);
  }

  /** The catalogue has lost the entry of a service of this node. */
  async claimAgain(service: Service): Promise<void> {
    const own = this.owned.get(service);
    if (own === undefined) return;
    const claim = await this.store
      .claim(service.node, undefined, this.entryOf(service, own.fence))
      .catch(() => undefined);
    // Another claim, or the whole catalogue, is read next.
    if (claim === undefined || !("fence" in claim) || this.owned.get(service) !== own) return;
    this.fences.set(service.node, claim.fence);
    this.owned.set(service, { fence: claim.fence, told: undefined });
    this.mark(service);
  }

  /** Another node owns the service. */
  lost(node: string, service: Service | undefined): void {
    this.fences.delete(node);
    if (service === undefined) return;
    this.owned.delete(service);
    this.stale.delete(service);
  }

  has(service: Service): boolean {
    return this.owned.has(service);
  }

  fenceOf({ node }: Service): number | undefined {
    return this.fences.get(node);
  }

  fenceAt(node: string): number | undefined {
    return this.fences.get(node);
  }

  get size(): number {
    return this.owned.size;
  }

  services(): Iterable<Service> {
    return this.owned.keys();
  }

  /** The service has ended. */
  end(service: Service): void {
    const { node } = service;
    const fence = this.fences.get(node);
    if (fence === undefined || !this.owned.delete(service)) return;
    this.fences.delete(node);
    this.stale.delete(service);
    this.ended.set(node, fence);
    this.book();
  }

  /** Something of the service has changed that the catalogue may say. */
  mark(service: Service): void {
    if (service.owner !== undefined) return;
    if (!this.owned.has(service)) {
      if (!this.fences.has(service.node)) return;
      return this.add(service);
    }
    this.stale.add(service);
    this.book();
  }

  private book(): void {
    this.booked ??= setImmediate(() => {
      this.booked = undefined;
      this.flush();
    });
  }

  /** Once a second: tells again what the store did not take. */
  sweep(): void {
    if (this.stale.size + this.ended.size > 0) this.book();
  }

  private flush(): void {
    for (const [node, fence] of this.ended)
      this.store.remove(node, fence).then(
        () => this.ended.get(node) === fence && this.ended.delete(node),
        () => undefined,
      );
    for (const service of this.stale) {
      this.stale.delete(service);
      const own = this.owned.get(service);
      if (own === undefined) continue;
      const entry = this.entryOf(service, own.fence);
      const text = JSON.stringify(entry);
      if (text === own.told) continue;
      own.told = text;
      this.store.change(service.node, entry).then(
        (isOwn) => {
          if (!isOwn && this.owned.get(service) === own) this.onFenced(service);
        },
        () => {
          own.told = undefined;
          if (this.owned.get(service) === own) this.stale.add(service);
        },
      );
    }
  }

  private entryOf({ record, publisher, status, paceMs }: Service, fence: number): CatalogEntry {
    const { config, epoch, baseAt, approved, incarnations } = record;
    return {
      ...{ fence, ...this.identity, epoch, baseAt, config: toPlain(config), approved: [...approved] },
      ...{ online: publisher !== undefined, status, paceMs },
      incarnation: publisher?.incarnation ?? (incarnations.current || undefined),
      calls: publisher?.link.session.peerHello?.calls === true,
    };
  }
}

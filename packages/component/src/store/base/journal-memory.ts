import { Heaviest } from "../../base/heaviest.js";

/** A journal that can make room for others. */
export interface Droppable {
  /** Drops the oldest update. The caller makes sure that the journal has a newer one. */
  dropOldest(): void;
}

export interface JournalMemoryLimits {
  /** Most bytes that all journals hold. */
  readonly maxLogBytes: number;
  /** Most bytes that the journals of one bare JID of our domain hold. */
  readonly maxLogBytesPerJid: number;
  /** The same bound for a bare JID of another domain, in percent of `maxLogBytesPerJid`. */
  readonly remotePercent: number;
  /** Bound of one other domain, as a multiple of the bound of one of its bare JIDs. */
  readonly domainShare: number;
}

/** Bytes that the journals of one owner, of one other domain, or of all owners hold together. */
interface Holder<T> {
  bytes: number;
  readonly most: () => number;
  /** The parts (journals or owners), by the bytes that each may drop. */
  readonly parts: Heaviest<T>;
}

type Owner = Holder<Droppable> & { readonly domain: Holder<Owner> | undefined };

/** Counts the bytes of one journal, for all bounds that apply to the journal. */
export interface JournalAccount {
  /** Adds to the bytes that the journal holds, and to those that it may drop. Both numbers may be negative. */
  count(bytes: number, droppable: number): void;
  /** Drops updates until all bounds hold, or until there is nothing to drop. */
  settle(): void;
}

/**
 * Bounds the bytes of all journals, of each owner's journals, and of the journals of each other domain. Beyond a bound,
 * the owner with most bytes in it drops the oldest update of its largest journal. So no owner can empty the journals of
 * an owner with fewer bytes.
 */
export class JournalMemory {
  private readonly owners = new Map<string, Owner>();
  private readonly domains = new Map<string, Holder<Owner>>();
  private readonly all: Holder<Owner>;

  constructor(
    private readonly limits: JournalMemoryLimits,
    private readonly isOurs: (domain: string) => boolean = () => true,
  ) {
    this.all = { bytes: 0, most: () => limits.maxLogBytes, parts: new Heaviest() };
  }

  /** Bytes in use, approximately. */
  get used(): number {
    return this.all.bytes;
  }

  /** Bytes that the journals of one bare JID hold. */
  usedBy(owner: string): number {
    return this.owners.get(owner)?.bytes ?? 0;
  }

  /** Returns the account of a journal of `owner`, a bare JID. */
  open(owner: string, journal: Droppable): JournalAccount {
    return {
      count: (bytes, droppable) => this.count(owner, journal, bytes, droppable),
      settle: () => this.settle(owner),
    };
  }

  private count(name: string, journal: Droppable, bytes: number, droppable: number): void {
    const owner = this.ownerOf(name);
    const { domain, parts } = owner;
    parts.add(journal, droppable);
    for (const holder of [owner, domain, this.all]) if (holder !== undefined) holder.bytes += bytes;
    for (const holder of [domain, this.all]) holder?.parts.add(owner, droppable);
    if (owner.bytes > 0) return;
    this.owners.delete(name);
    if (domain?.bytes === 0) this.domains.delete(domainOf(name));
  }

  private settle(name: string): void {
    const owner = this.owners.get(name);
    if (owner === undefined) return;
    const { domain } = owner;
    while (owner.bytes > owner.most()) if (!dropFrom(owner)) break;
    while (domain !== undefined && domain.bytes > domain.most()) if (!dropFrom(domain.parts.top)) break;
    while (this.all.bytes > this.all.most()) if (!dropFrom(this.all.parts.top)) break;
  }

  private ownerOf(name: string): Owner {
    let owner = this.owners.get(name);
    if (owner === undefined) {
      const domain = this.domainHolder(domainOf(name));
      const most = (): number => this.mostPerJid(domain !== undefined);
      owner = { bytes: 0, most, parts: new Heaviest(), domain };
      this.owners.set(name, owner);
    }
    return owner;
  }

  /** Returns the holder of another domain. Undefined: the domain is ours, and only its accounts have bounds. */
  private domainHolder(name: string): Holder<Owner> | undefined {
    if (this.isOurs(name)) return undefined;
    let domain = this.domains.get(name);
    if (domain === undefined) {
      const most = (): number => this.mostPerJid(true) * this.limits.domainShare;
      this.domains.set(name, (domain = { bytes: 0, most, parts: new Heaviest() }));
    }
    return domain;
  }

  private mostPerJid(remote: boolean): number {
    const { maxLogBytesPerJid, remotePercent } = this.limits;
    return remote ? (maxLogBytesPerJid * remotePercent) / 100 : maxLogBytesPerJid;
  }
}

/** Drops one update of the owner. Returns false if there is nothing to drop. */
function dropFrom(owner: Owner | undefined): boolean {
  const journal = owner?.parts.top;
  journal?.dropOldest();
  return journal !== undefined;
}

function domainOf(bareJid: string): string {
  return bareJid.slice(bareJid.indexOf("@") + 1);
}

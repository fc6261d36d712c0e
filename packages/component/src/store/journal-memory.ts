import { Heaviest } from "../base/heaviest.js";

/** A journal, as far as others make room in it. */
export interface Droppable {
  /** Drops its oldest update, which is not its newest. */
  dropOldest(): void;
}

export interface JournalMemoryLimits {
  /** Most bytes that all journals hold. */
  readonly maxLogBytes: number;
  /** And those of one bare JID of ours. */
  readonly maxLogBytesPerJid: number;
  /** What JIDs of other domains may have of that, in parts of 100. */
  readonly remotePercent: number;
  /** One other domain has so many times as much as one of its bare JIDs. */
  readonly domainShare: number;
}

/** What journals of one owner, or of one other domain, hold together. */
interface Holder<T> {
  bytes: number;
  readonly most: () => number;
  /** What of it may be dropped, by part. */
  readonly parts: Heaviest<T>;
}

type Owner = Holder<Droppable> & { readonly domain: Holder<Owner> | undefined };

/** What one journal holds, told to all who bound it. */
export interface JournalAccount {
  /** The journal holds `bytes` more, and so much more of it may be dropped. */
  count(bytes: number, droppable: number): void;
  /** Drops until all bounds hold, as far as there is anything to drop. */
  settle(): void;
}

/**
 * One bound for all journals, one for each owner and one for each other domain. Room is made by who holds most: the owner's largest
 * journal, and of all owners the one with the largest share. So nobody's journals are emptied by somebody else's.
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

  /** Bytes in use, about. */
  get used(): number {
    return this.all.bytes;
  }

  /** Bytes that the journals of one bare JID hold. */
  usedBy(owner: string): number {
    return this.owners.get(owner)?.bytes ?? 0;
  }

  /** For a journal of `owner`, a bare JID. */
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

  /** Undefined: ours, of which each account has its bound. */
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

/** False: there is nothing to drop. */
function dropFrom(owner: Owner | undefined): boolean {
  const journal = owner?.parts.top;
  journal?.dropOldest();
  return journal !== undefined;
}

function domainOf(bareJid: string): string {
  return bareJid.slice(bareJid.indexOf("@") + 1);
}

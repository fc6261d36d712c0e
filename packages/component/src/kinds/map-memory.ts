/** Limits of the memory that maps take. */
export interface MapMemoryLimits {
  /** Most bytes of all maps. */
  readonly maxMapBytes: number;
  /** Most bytes of the maps of one bare JID of our domain. */
  readonly maxMapBytesPerJid: number;
  /** Share of that for a bare JID of another domain, in percent. */
  readonly remotePercent: number;
  /** Bytes of one other domain, as a multiple of those of one of its bare JIDs. */
  readonly domainShare: number;
}

/** The part of one map in the memory of all. */
export interface MapShare {
  /** The map takes this many bytes from now on. 0: it is gone. */
  hold(bytes: number): void;
  /** Returns the bound that `more` bytes would exceed, in words. Undefined: there is room. */
  lacking(more: number): string | undefined;
}

/** Counts the memory of maps by owner, by other domain and in all. A map cannot make room, so growth is refused. */
export class MapMemory {
  private readonly owners = new Map<string, number>();
  private readonly domains = new Map<string, number>();
  private all = 0;

  constructor(
    private readonly limits: MapMemoryLimits,
    private readonly isOurs: (domain: string) => boolean = () => true,
  ) {}

  /** Bytes in use, approximately. */
  get used(): number {
    return this.all;
  }

  /** Bytes that the maps of one bare JID hold. */
  usedBy(owner: string): number {
    return this.owners.get(owner) ?? 0;
  }

  /** Opens the share of a map of `owner`, a bare JID. */
  open(owner: string): MapShare {
    let held = 0;
    const domain = owner.slice(owner.indexOf("@") + 1);
    return {
      hold: (bytes) => {
        add(this.owners, owner, bytes - held);
        add(this.domains, domain, bytes - held);
        this.all += bytes - held;
        held = bytes;
      },
      lacking: (more) => this.lacking(owner, domain, more),
    };
  }

  private lacking(owner: string, domain: string, more: number): string | undefined {
    const { maxMapBytes, maxMapBytesPerJid, remotePercent, domainShare } = this.limits;
    const remote = !this.isOurs(domain);
    const own = remote ? (maxMapBytesPerJid * remotePercent) / 100 : maxMapBytesPerJid;
    if (this.usedBy(owner) + more > own) return `${own} bytes for all maps of ${owner}`;
    if (remote && (this.domains.get(domain) ?? 0) + more > own * domainShare)
      return `${own * domainShare} bytes for all maps of ${domain}`;
    return this.all + more > maxMapBytes ? `${maxMapBytes} bytes for all maps of the component` : undefined;
  }
}

function add(to: Map<string, number>, name: string, bytes: number): void {
  const sum = (to.get(name) ?? 0) + bytes;
  if (sum > 0) to.set(name, sum);
  else to.delete(name);
}

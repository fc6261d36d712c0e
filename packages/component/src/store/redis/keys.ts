/**
 * The names of all keys in Redis. The keys of one service have the same hash tag, so that one script can use them, and
 * so that a Redis Cluster spreads the services over its nodes. An index names things that have another tag.
 */
export class Keys {
  constructor(readonly prefix: string) {}

  /** The version of the stored format. */
  get version(): string {
    return `${this.prefix}version`;
  }

  /** Sorted set: node → when the entry was written, in ms since 1970. */
  get services(): string {
    return `${this.prefix}services`;
  }

  /** What nodes of a component know of one another. All in one slot, because scripts use several of them. */
  get nodes(): NodeKeys {
    const of = (part: string): string => `${this.prefix}{nodes}:${part}`;
    return {
      ...{ times: of("times"), infos: of("infos") },
      ...{ entries: of("entries"), changes: of("changes"), count: of("count") },
    };
  }

  /** Channel of messages to one node. */
  toNode(domain: string): string {
    return `${this.prefix}{${escapeTag(domain)}}:to`;
  }

  /** Channel of a service's updates, for other nodes. */
  live(node: string): string {
    return this.of(node, "live");
  }

  /** Sorted set, as `services`: the nodes that have cursors. */
  get cursorNodes(): string {
    return `${this.prefix}cursor-nodes`;
  }

  /** Sorted set, as `services`: the fields of the owner's cursors, each with its node. */
  cursorsOfOwner(owner: string): string {
    return `${this.prefix}{${escapeTag(owner)}}:owner`;
  }

  /** Hash: owner and name → cursor. */
  cursors(node: string): string {
    return this.of(node, "cursors");
  }

  service(node: string): ServiceKeys {
    return {
      record: this.of(node, "record"),
      journal: this.of(node, "journal"),
      map: this.of(node, "map"),
      epoch: this.of(node, "epoch"),
      channel: this.of(node, "wake"),
    };
  }

  private of(node: string, part: string): string {
    return `${this.prefix}{${escapeTag(node)}}:${part}`;
  }
}

export interface NodeKeys {
  /** Sorted set: domain of a node → when it renewed its session, in ms since 1970 by Redis's clock. */
  readonly times: string;
  /** Hash: domain of a node → what it tells of itself. */
  readonly infos: string;
  /** Hash: service → its entry in the catalogue, behind the fencing token. */
  readonly entries: string;
  /** Stream: the changes of the catalogue. The ID of change n is `n-0`. */
  readonly changes: string;
  /** Number of changes so far. */
  readonly count: string;
}

export interface ServiceKeys {
  /** Hash: the record of the service. */
  readonly record: string;
  /** Stream: the entries of the journal. */
  readonly journal: string;
  /** Hash: hash of a key → newest change of that key of a map. */
  readonly map: string;
  /** The epoch of the service after it was deleted. */
  readonly epoch: string;
  /** Channel: the highest offset, after each write. */
  readonly channel: string;
}

/** A brace would end the hash tag, or begin another. */
function escapeTag(name: string): string {
  return name.replace(/[%{}]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Returns the ID of the entry whose last offset is `offset`. */
export function entryId(epoch: number, offset: number): string {
  return `${epoch}-${offset}`;
}

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

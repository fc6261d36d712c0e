import { StanzapackError, type NodePattern } from "@stanzapack/wire";
import type { ClientLink } from "../links/client-link.js";
import type { SubscribeOptions } from "../options/subscribe-options.js";

/**
 * A pattern that stands, such as `alice@example.org/t*`. A service that its owner offers later under such a name is
 * subscribed too.
 */
export interface Pattern extends NodePattern {
  readonly link: ClientLink;
  /** Number of the client's request, for the answers. */
  readonly request: number;
  options: SubscribeOptions;
  /** Nodes that were offered since, and whose turn has not come. */
  readonly pending: Set<string>;
}

/** The patterns of all links. */
export class Patterns {
  private readonly byOwner = new Map<string, Set<Pattern>>();
  private readonly byLink = new Map<ClientLink, Set<Pattern>>();

  constructor(
    /** Read anew each time, because the limit may change. */
    private readonly limits: { readonly maxPatternsPerLink: number },
  ) {}

  /** Throws `limit-exceeded`. */
  add(pattern: Pattern): void {
    const ofLink = this.byLink.get(pattern.link) ?? new Set();
    if (ofLink.size >= this.limits.maxPatternsPerLink)
      throw new StanzapackError(
        "limit-exceeded",
        `one link has ${ofLink.size} patterns, no more are allowed`,
        { scope: "subscription" },
      );
    this.byLink.set(pattern.link, ofLink.add(pattern));
    this.byOwner.set(pattern.owner, (this.byOwner.get(pattern.owner) ?? new Set()).add(pattern));
  }

  remove(pattern: Pattern): void {
    drop(this.byLink, pattern.link, pattern);
    drop(this.byOwner, pattern.owner, pattern);
  }

  /** Returns whether the pattern stands. */
  has(pattern: Pattern): boolean {
    return this.byLink.get(pattern.link)?.has(pattern) === true;
  }

  of(owner: string): Iterable<Pattern> {
    return this.byOwner.get(owner) ?? [];
  }

  /** Returns the patterns of a link, or of one of its requests. */
  on(link: ClientLink, request?: number): Pattern[] {
    const all = [...(this.byLink.get(link) ?? [])];
    return request === undefined ? all : all.filter((pattern) => pattern.request === request);
  }
}

function drop<K>(index: Map<K, Set<Pattern>>, key: K, pattern: Pattern): void {
  const patterns = index.get(key);
  patterns?.delete(pattern);
  if (patterns?.size === 0) index.delete(key);
}

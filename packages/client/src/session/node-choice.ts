import type { Sibling } from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";

/** How long a node that has failed comes behind all others, in ms. */
const AVOIDED_MS = 30_000;
/** Weight of a node that the program names, until a node says what it is. */
const NAMED_WEIGHT = 100;

/**
 * The nodes of the component that this client knows, and the one that it uses. The program names one or several, and
 * each node names the others in HELLO. `chance` returns numbers from 0 up to 1.
 */
export class NodeChoice {
  private now: string;
  /** By domain, with the current node. */
  private weights: ReadonlyMap<string, number>;
  private readonly failedAt = new Map<string, number>();

  constructor(
    private readonly named: readonly [string, ...string[]],
    private readonly chance: () => number = Math.random,
  ) {
    this.now = named[0];
    this.weights = new Map(named.map((domain) => [domain, NAMED_WEIGHT]));
  }

  /** Domain of the node in use. */
  get domain(): string {
    return this.now;
  }

  /** Domains of all nodes that the client knows. */
  get domains(): readonly string[] {
    return [...this.weights.keys()];
  }

  /** Whether there is a choice. */
  get hasOthers(): boolean {
    return this.weights.size > 1;
  }

  /** The node in use names the others. Undefined: it names none. */
  told(siblings: readonly Sibling[] | undefined): void {
    // A node that the program named, and the others do not see, is probably away: it comes last.
    const rest = siblings === undefined ? NAMED_WEIGHT : 0;
    const known = new Map(this.named.map((domain) => [domain, rest]));
    for (const { domain, weight } of siblings ?? []) known.set(domain, weight);
    this.weights = known.set(this.now, this.weights.get(this.now) ?? NAMED_WEIGHT);
  }

  /**
   * The node in use has failed: chooses another one, by weight, or the node that failed first, if all have. Returns
   * whether that is one that has not failed lately.
   */
  leave(): boolean {
    const now = monotonicNow();
    this.failedAt.set(this.now, now);
    const fresh = [...this.weights].filter(([domain]) => !this.hasFailed(domain, now));
    if (fresh.length === 0) {
      const failed = (domain: string): number => this.failedAt.get(domain) ?? 0;
      this.now = [...this.weights.keys()].reduce((a, b) => (failed(b) < failed(a) ? b : a));
      return false;
    }
    const weighted = fresh.filter(([, weight]) => weight > 0);
    this.now = this.draw(weighted.length > 0 ? weighted : fresh.map(([domain]) => [domain, 1]));
    return true;
  }

  /** The node in use names another one, which should be used instead. Returns whether there is one to try at once. */
  redirected(domain: string): boolean {
    const now = monotonicNow();
    // Nodes that send a client to each other: it chooses by itself.
    if (domain === this.now || this.hasFailed(domain, now)) return this.leave();
    this.failedAt.set(this.now, now);
    if (!this.weights.has(domain)) this.weights = new Map(this.weights).set(domain, NAMED_WEIGHT);
    this.now = domain;
    return true;
  }

  private hasFailed(domain: string, now: number): boolean {
    return now - (this.failedAt.get(domain) ?? -Infinity) < AVOIDED_MS;
  }

  private draw(nodes: readonly (readonly [string, number])[]): string {
    let point = this.chance() * nodes.reduce((total, [, weight]) => total + weight, 0);
    const found = nodes.find(([, weight]) => (point -= weight) < 0) ?? nodes[nodes.length - 1];
    return found?.[0] ?? this.now;
  }
}

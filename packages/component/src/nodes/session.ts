import { randomUUID } from "node:crypto";
import { monotonicNow } from "@stanzapack/xmpp";
import type { NodeInfo, NodeStore, SeenNode } from "./node-store.js";

/** Time between two renewals, in ms. */
const RENEW_MS = 1_000;
/** How long a node counts as alive after its last renewal, in ms. */
export const LEASE_MS = 10_000;
/** After this long without a turn of the event loop, in ms, this process does not know what happened meanwhile. */
const HELD_UP_MS = 2_000;
const LOOK_MS = 250;

export interface SessionHandlers {
  /** The nodes, after each renewal. */
  readonly onNodes: (nodes: readonly SeenNode[]) => void;
  /** This node may own nothing any more: others may think that it is dead. */
  readonly onLost: () => void;
  /** This node may own services again. */
  readonly onBack: () => void;
}

/**
 * The session of this node: while it is renewed in the store, the node may own services. It ends by the node's own
 * monotonic clock, `LEASE_MS` after the last successful renewal was sent, so a node that is cut off from the store stops
 * in time.
 */
export class Session {
  readonly id = randomUUID();
  private seen: readonly SeenNode[] = [];
  private renewedAt = -Infinity;
  /** The process was held up: it may own nothing until the next renewal. */
  private isInDoubt = false;
  private wasValid = false;
  private isRenewing = false;
  private turnAt = monotonicNow();
  private lagMs = 0;
  private timer: NodeJS.Timeout | undefined;
  private watch: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly store: Pick<NodeStore, "renew" | "leave">,
    readonly domain: string,
    private readonly describe: () => Omit<NodeInfo, "session" | "lagMs">,
    private readonly handlers: SessionHandlers,
  ) {}

  /** Resolves after the first renewal. Rejects with `store-failed` or because the store is away. */
  async start(): Promise<void> {
    await this.renew();
    this.watch = setInterval(() => this.look(), LOOK_MS).unref();
    this.book();
  }

  /** Whether this node may own services at the monotonic time `now`, in ms. */
  isValid(now: number): boolean {
    if (now - this.turnAt > HELD_UP_MS) this.isInDoubt = true;
    return !this.isInDoubt && this.sinceRenewalMs(now) < LEASE_MS;
  }

  /** Time since the last successful renewal was sent, in ms. */
  sinceRenewalMs(now: number): number {
    return now - this.renewedAt;
  }

  /** All nodes that were alive at the last renewal, by domain. */
  get nodes(): readonly SeenNode[] {
    return this.seen.filter(({ domain, session }) => this.isAlive(domain, session));
  }

  /** All nodes that were seen lately, alive or not. */
  get all(): readonly SeenNode[] {
    return this.seen;
  }

  /** Whether that run of a node renews its session. */
  isAlive(domain: string, session: string): boolean {
    if (domain === this.domain) return session === this.id;
    const node = this.seen.find((each) => each.domain === domain);
    return node?.session === session && node.ageMs < LEASE_MS;
  }

  /** A run of a node shows itself that is not known yet: looks at once, and not only with the next renewal. */
  meet(domain: string, session: string): void {
    if (this.seen.some((node) => node.domain === domain && node.session === session)) return;
    if (this.isRenewing || this.stopped) return;
    this.renew().catch(() => undefined);
  }

  /** Whether the node was seen, and renews its session no more. */
  isGone(domain: string): boolean {
    return this.seen.some((node) => node.domain === domain && node.ageMs >= LEASE_MS);
  }

  private async renew(): Promise<void> {
    this.isRenewing = true;
    try {
      await this.renewNow();
    } finally {
      this.isRenewing = false;
    }
  }

  private async renewNow(): Promise<void> {
    const sentAt = monotonicNow();
    const { id: session, lagMs } = this;
    const seen = await this.store.renew(this.domain, { ...this.describe(), session, lagMs });
    if (this.stopped) return;
    this.lagMs = Math.round(monotonicNow() - sentAt);
    this.seen = seen;
    this.renewedAt = sentAt;
    this.isInDoubt = false;
    this.turnAt = monotonicNow();
    this.tellChange();
    this.handlers.onNodes(seen);
  }

  private book(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.renew()
        // The next renewal tries again.
        .catch(() => undefined)
        .finally(() => this.book());
    }, RENEW_MS);
  }

  private look(): void {
    const now = monotonicNow();
    this.isValid(now);
    this.turnAt = now;
    this.tellChange();
  }

  private tellChange(): void {
    const isValid = this.isValid(monotonicNow());
    if (isValid === this.wasValid || this.stopped) return;
    this.wasValid = isValid;
    if (isValid) this.handlers.onBack();
    else this.handlers.onLost();
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    clearTimeout(this.timer);
    clearInterval(this.watch);
    await this.store.leave(this.domain).catch(() => undefined);
  }
}

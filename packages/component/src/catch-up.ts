import { DEFAULT_LIMITS } from "@stanzapack/wire";
import type { ClientLink } from "./client-link.js";
import { TICK_MS } from "./clock.js";
import type { ComponentStats } from "./stats.js";
import type { Subscription } from "./subscription.js";

export interface CatchUpHost {
  /** The stream to the server takes more. */
  readonly open: boolean;
}

/**
 * Brings subscribers of logs from where they stand to their lanes: what the journal has, in order, a body for each link and
 * turn, round robin among its subscriptions. What is live goes first, and a link without credit waits for it.
 */
export class CatchUp {
  private readonly links = new Map<ClientLink, Set<Subscription>>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly host: CatchUpHost,
    private readonly stats: ComponentStats,
  ) {}

  /** From `subscription.position` on; it is detached until it is on its lane. */
  add(subscription: Subscription): void {
    const { link } = subscription;
    subscription.detached = true;
    const waiting = this.links.get(link) ?? new Set();
    this.links.set(link, waiting.add(subscription));
    this.book();
  }

  remove(subscription: Subscription): void {
    const { link } = subscription;
    const waiting = this.links.get(link);
    waiting?.delete(subscription);
    if (waiting?.size === 0) this.links.delete(link);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.links.clear();
  }

  private book(): void {
    if (this.timer !== undefined || this.links.size === 0) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.host.open) for (const waiting of this.links.values()) this.turn(waiting);
      this.book();
    }, TICK_MS);
  }

  private turn(waiting: Set<Subscription>): void {
    for (const subscription of waiting) {
      if (!subscription.link.session.maySendData) return;
      if (!this.sendNext(subscription)) {
        this.remove(subscription);
        continue;
      }
      // To the end of the row.
      waiting.delete(subscription);
      waiting.add(subscription);
      return;
    }
  }

  /** False when there is nothing left, and the lane goes on from here. */
  private sendNext(subscription: Subscription): boolean {
    const { lane, link, service } = subscription;
    const slice =
      subscription.position >= lane.flushedTo
        ? undefined
        : service.journal?.read(subscription.position + 1, DEFAULT_LIMITS.maxRowsPerFrame, lane.maxBytes);
    if (slice === undefined) {
      subscription.detached = false;
      lane.add(subscription);
      return false;
    }
    subscription.position = slice.to;
    // Left out where the link cannot take it: it shows as lost in front of the next one.
    if (!lane.fits(slice.rows[0] as Uint8Array)) return true;
    this.stats.singleEncodes++;
    const body = lane.encodeAlone(slice);
    link.append(subscription.ready[body.form] + body.base64, true);
    return true;
  }
}

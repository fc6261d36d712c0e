import { grantWindow } from "@stanzapack/wire";
import type { Logger } from "pino";
import type { ClientLink } from "../links/client-link.js";
import type { ComponentLimits } from "../config/config.js";
import type { ComponentStats } from "../base/stats.js";
import type { Account } from "./account.js";
import type { Budgets } from "./budgets.js";

/** What a stanza costs beside its block, in bytes: routing one that is nearly empty is not free. */
const STANZA_BYTES = 256;
/** Windows that a publisher over its budget is asked for: the first, the last, and how long each is tried, in ms. */
const FIRST_WINDOW_MS = 1_000;
const LAST_WINDOW_MS = 50_000;
const TRY_MS = 5_000;

/** What the throttle knows of one link. */
export interface Pace {
  readonly accounts: readonly Account[];
  /** Updates that came since it was looked at. */
  updates: number;
  /** Over its budget: acknowledgements wait, and of values only the newest goes on. */
  owes: boolean;
  /** Smallest window its services are asked for, in ms; 0: it is not slowed. */
  windowMs: number;
  widenAt: number;
}

/**
 * Publishers over their budget: asked for wider windows, acknowledged late, their values conflated before they are encoded, until they
 * are within it again. Whoever keeps to that loses nothing of a log; who does not owes more and more, and is cut off by `Budgets`.
 */
export class Throttle {
  private readonly slowed = new Set<ClientLink>();

  constructor(
    private readonly budgets: Budgets,
    private readonly limits: ComponentLimits,
    private readonly stats: ComponentStats,
    private readonly log: Logger,
    /** Its services' publishers are to hear of another window. */
    private readonly tellDemand: (link: ClientLink) => void,
  ) {}

  createPace(jid: string): Pace {
    return { accounts: this.budgets.of(jid), updates: 0, owes: false, windowMs: 0, widenAt: 0 };
  }

  /** A block came, and what was in it is counted. */
  received(link: ClientLink, blockBytes: number, now: number): void {
    const { pace } = link;
    const { updates } = pace;
    pace.updates = 0;
    const standing = this.budgets.spend(pace.accounts, updates, blockBytes + STANZA_BYTES);
    pace.owes = standing < 0;
    if (!pace.owes || pace.windowMs > 0 || link.ended) return;
    this.stats.slowdowns++;
    this.log.info({ jid: link.jid }, "publishes over its budget: slowed");
    this.slowed.add(link);
    this.widen(link, FIRST_WINDOW_MS, now);
  }

  private widen(link: ClientLink, windowMs: number, now: number): void {
    link.pace.windowMs = windowMs;
    link.pace.widenAt = now + TRY_MS;
    this.tellDemand(link);
  }

  /** Once a second: who is within its budget again goes on as before, who is not has wider windows. */
  sweep(now: number): void {
    for (const link of this.slowed) {
      const { pace } = link;
      if (link.ended) {
        this.slowed.delete(link);
        continue;
      }
      const standing = this.budgets.standing(pace.accounts);
      pace.owes = standing < 0;
      if (standing >= this.limits.burstSeconds / 2) {
        this.slowed.delete(link);
        this.log.info({ jid: link.jid }, "publishes within its budget again");
        this.widen(link, 0, now);
      } else if (pace.owes && now >= pace.widenAt && pace.windowMs < LAST_WINDOW_MS)
        this.widen(link, Math.min(LAST_WINDOW_MS, grantWindow(pace.windowMs * 2)), now);
    }
  }
}

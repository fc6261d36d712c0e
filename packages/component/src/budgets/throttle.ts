import { grantWindow } from "@stanzapack/wire";
import type { Logger } from "pino";
import type { ComponentLimits } from "../config/config.js";
import type { ComponentStats } from "../base/stats.js";
import type { Account } from "./account.js";
import type { Budgets } from "./budgets.js";

/** Cost of a stanza beside its block, in bytes: routing a stanza that is nearly empty is not free. */
const STANZA_BYTES = 256;
/** Windows that a publisher over its budget is asked for: the first, the last, and how long each is tried, in ms. */
const FIRST_WINDOW_MS = 1_000;
const LAST_WINDOW_MS = 50_000;
const TRY_MS = 5_000;

/** State of the throttle for one link. */
export interface ThrottleState {
  readonly accounts: readonly Account[];
  /** Updates that arrived since the throttle last looked. */
  updates: number;
  /** The publisher is over its budget: acknowledgements wait, and only the newest value of a service is sent on. */
  owes: boolean;
  /** The smallest window that the link's services are asked for, in ms. 0: the throttle does not slow the link. */
  windowMs: number;
  widenAt: number;
}

/** A link, as far as the throttle needs to know it. */
export interface ThrottledLink {
  readonly jid: string;
  readonly ended: boolean;
  readonly throttle: ThrottleState;
}

/**
 * Slows publishers that are over their budget. Until such a publisher is within its budget again, the throttle asks for
 * wider windows, delays acknowledgements, and conflates values before they are encoded. A publisher that keeps to the
 * wider windows loses nothing of a log. The debt of any other publisher grows until `Budgets` cuts it off.
 */
export class Throttle<L extends ThrottledLink = ThrottledLink> {
  private readonly slowed = new Set<L>();

  constructor(
    private readonly budgets: Budgets,
    private readonly limits: ComponentLimits,
    private readonly stats: ComponentStats,
    private readonly log: Logger,
    /** Sends a link DEMAND, with the windows of all services that it publishes. */
    private readonly tellDemand: (link: L) => void,
  ) {}

  createState(jid: string): ThrottleState {
    return { accounts: this.budgets.of(jid), updates: 0, owes: false, windowMs: 0, widenAt: 0 };
  }

  /** A block arrived. `ThrottleState.updates` counts the updates in it. */
  received(link: L, blockBytes: number, now: number): void {
    const { throttle } = link;
    const { updates } = throttle;
    throttle.updates = 0;
    const standing = this.budgets.spend(throttle.accounts, updates, blockBytes + STANZA_BYTES);
    throttle.owes = standing < 0;
    if (!throttle.owes || throttle.windowMs > 0 || link.ended) return;
    this.stats.slowdowns++;
    this.log.info({ jid: link.jid }, "publishes over its budget: slowed");
    this.slowed.add(link);
    this.widen(link, FIRST_WINDOW_MS, now);
  }

  private widen(link: L, windowMs: number, now: number): void {
    link.throttle.windowMs = windowMs;
    link.throttle.widenAt = now + TRY_MS;
    this.tellDemand(link);
  }

  /**
   * Once a second: a link that is within its budget again gets its usual windows. A link that still owes gets wider
   * ones.
   */
  sweep(now: number): void {
    for (const link of this.slowed) {
      const { throttle } = link;
      if (link.ended) {
        this.slowed.delete(link);
        continue;
      }
      const standing = this.budgets.standing(throttle.accounts);
      throttle.owes = standing < 0;
      if (standing >= this.limits.burstSeconds / 2) {
        this.slowed.delete(link);
        this.log.info({ jid: link.jid }, "publishes within its budget again");
        this.widen(link, 0, now);
      } else if (throttle.owes && now >= throttle.widenAt && throttle.windowMs < LAST_WINDOW_MS)
        this.widen(link, Math.min(LAST_WINDOW_MS, grantWindow(throttle.windowMs * 2)), now);
    }
  }
}

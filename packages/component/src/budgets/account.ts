import { Admission } from "./admission.js";
import { OpenAdmission } from "./open-admission.js";
import type { ComponentLimits } from "../config/config.js";
import type { AdmissionRates } from "../base/token-bucket.js";
import { spend, standingOf, type FullAt } from "./meter.js";

/** Things that are counted. The others are metered by rates. */
export const COUNTED = ["links", "subscriptions", "lanes", "pending", "services", "calls"] as const;
export type Counted = (typeof COUNTED)[number];

export type AccountKind = "full" | "bare" | "domain";

/** The limits of one bare JID of our own domain. */
const LIMIT_OF = {
  links: "maxLinksPerJid",
  subscriptions: "maxSubscriptionsPerJid",
  lanes: "maxLanesPerJid",
  pending: "maxPendingPerAsker",
  services: "maxServicesPerOwner",
  calls: "maxCallsPerJid",
} as const satisfies Record<Counted, keyof ComponentLimits>;

/** Rules that all accounts share. They are read anew each time, because limits may change. */
export interface AccountRules {
  readonly limits: ComponentLimits;
  /** Rates at which one bare JID, or one other domain, may open links. */
  readonly opens: AdmissionRates;
}

export function createAccountRules(limits: ComponentLimits): AccountRules {
  return {
    limits,
    opens: {
      get perSecond() {
        return (limits.opensPerSecond * limits.opensSharePercent) / 100;
      },
      // At least one, however small the share is.
      get burst() {
        return Math.max(1, (limits.opensBurst * limits.opensSharePercent) / 100);
      },
    },
  };
}

/**
 * The usage and the bounds of one full JID, bare JID or domain. There are two accounts for each link, so a part that
 * few of them need is created when it is needed. As `AdmissionRates`, an account has the rates of its requests.
 */
export class Account implements Record<Counted, number>, AdmissionRates {
  links = 0;
  subscriptions = 0;
  lanes = 0;
  pending = 0;
  services = 0;
  calls = 0;
  /** When the account was used last, in ms. */
  usedAt = 0;
  /** Time until which everything is refused, in ms. 0: nothing is refused. */
  cutUntil = 0;
  private updatesFullAt: FullAt = 0;
  private bytesFullAt: FullAt = 0;
  /** Meter of the refused requests. */
  private refusedFullAt: FullAt = 0;
  private requests: Admission | undefined;
  private opens: OpenAdmission | undefined;

  constructor(
    readonly name: string,
    readonly kind: AccountKind,
    /** Whether the account belongs to another domain than ours. */
    private readonly remote: boolean,
    private readonly rules: AccountRules,
  ) {}

  /** The budget, as a multiple of that of one full JID of our own domain. */
  private get factor(): number {
    const { bareJidShare, domainShare, remotePercent } = this.rules.limits;
    const here = this.remote ? remotePercent / 100 : 1;
    switch (this.kind) {
      case "full":
        return here;
      case "bare":
        return here * bareJidShare;
      case "domain":
        return here * bareJidShare * domainShare;
    }
  }

  /** Requests a second, on average. */
  get perSecond(): number {
    return this.rules.limits.requestsPerSecond * this.factor;
  }
  get burst(): number {
    return this.perSecond * this.rules.limits.burstSeconds;
  }

  /** Returns how many the account may have. A full JID has no bound of its own. */
  most(what: Counted): number {
    if (this.kind === "full") return Infinity;
    const { limits } = this.rules;
    return Math.max(1, Math.floor((limits[LIMIT_OF[what]] * this.factor) / limits.bareJidShare));
  }

  /** Counts one request. Returns undefined if it is admitted, and otherwise the time until the retry, in ms. */
  request(now: number, chance: number): number | undefined {
    this.usedAt = now;
    return (this.requests ??= new Admission(this)).ask(now, chance);
  }

  /** Whether one more request would be admitted now. */
  hasRoom(now: number): boolean {
    return this.requests?.hasRoom(now) ?? true;
  }

  /**
   * Returns the account's share of the opens of links. Undefined: it is a full JID, and only its bare JID has a share.
   */
  openShare(now: number): OpenAdmission | undefined {
    this.usedAt = now;
    return this.kind === "full" ? undefined : (this.opens ??= new OpenAdmission(this.rules.opens));
  }

  /** Charges an admitted request as much as `requests` more. */
  charge(requests: number, now: number): void {
    this.usedAt = now;
    (this.requests ??= new Admission(this)).charge(requests, now);
  }

  /** Counts one refusal. Returns whether refusals are so frequent that the client ignores its times to retry. */
  wasRefused(now: number): boolean {
    const { cutOffDebtSeconds: most } = this.rules.limits;
    this.refusedFullAt = spend(this.refusedFullAt, 1, this.perSecond, most, most, now);
    return standingOf(this.refusedFullAt, most, now) <= 0;
  }

  /**
   * Counts the updates and bytes of one stanza. Returns the account's standing: seconds of the rate left, or, negative,
   * owed.
   */
  spend(updates: number, bytes: number, now: number): number {
    this.usedAt = now;
    const { limits } = this.rules;
    const { burstSeconds, cutOffDebtSeconds: most } = limits;
    const { factor } = this;
    const { updatesPerSecond, publishedBytesPerSecond } = limits;
    // Most clients publish nothing.
    if (updates > 0)
      this.updatesFullAt = spend(
        ...([this.updatesFullAt, updates, updatesPerSecond * factor, burstSeconds, most, now] as const),
      );
    this.bytesFullAt = spend(
      ...([this.bytesFullAt, bytes, publishedBytesPerSecond * factor, burstSeconds, most, now] as const),
    );
    return this.standing(now);
  }

  standing(now: number): number {
    return standingOf(Math.max(this.updatesFullAt, this.bytesFullAt), this.rules.limits.burstSeconds, now);
  }

  /** Drops full buckets. They are created again when they are needed. */
  shed(now: number): void {
    if (this.requests?.isIdle(now) === true) this.requests = undefined;
    if (this.opens?.isIdle(now) === true) this.opens = undefined;
  }

  /** Returns whether the account can be forgotten without any change. */
  idle(now: number): boolean {
    const { burstSeconds, cutOffDebtSeconds } = this.rules.limits;
    return this.free(now) && now - this.usedAt > (burstSeconds + cutOffDebtSeconds) * 1_000;
  }

  /**
   * Returns whether nothing is counted for the account, and it is not cut off. If it is forgotten, it begins with a
   * full budget.
   */
  free(now: number): boolean {
    return now >= this.cutUntil && COUNTED.every((what) => this[what] === 0);
  }
}

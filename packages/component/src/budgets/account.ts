import { Admission } from "./admission.js";
import { OpenAdmission } from "./open-admission.js";
import type { ComponentLimits } from "../config/config.js";
import type { AdmissionRates } from "../base/token-bucket.js";
import { spend, standingOf, type FullAt } from "./meter.js";

/** What is counted, not metered. */
export const COUNTED = ["links", "subscriptions", "lanes", "pending", "services"] as const;
export type Counted = (typeof COUNTED)[number];

export type AccountKind = "full" | "bare" | "domain";

/** What one bare JID of our own domain may have. */
const LIMIT_OF = {
  links: "maxLinksPerJid",
  subscriptions: "maxSubscriptionsPerJid",
  lanes: "maxLanesPerJid",
  pending: "maxPendingPerAsker",
  services: "maxServicesPerOwner",
} as const satisfies Record<Counted, keyof ComponentLimits>;

/** What all accounts share. Limits are read anew each time: they may change. */
export interface AccountRules {
  readonly limits: ComponentLimits;
  /** Its share of the opens of links that one bare JID, or one other domain, has. */
  readonly opens: AdmissionRates;
}

export function createAccountRules(limits: ComponentLimits): AccountRules {
  return {
    limits,
    opens: {
      get perSecond() {
        return (limits.opensPerSecond * limits.opensSharePercent) / 100;
      },
      // One at least, however small a share is.
      get burst() {
        return Math.max(1, (limits.opensBurst * limits.opensSharePercent) / 100);
      },
    },
  };
}

/**
 * What one full JID, bare JID or domain uses, and what it may. There are two for each link, so what few of them need is made when it is
 * needed. As `AdmissionRates` it is those of its requests.
 */
export class Account implements Record<Counted, number>, AdmissionRates {
  links = 0;
  subscriptions = 0;
  lanes = 0;
  pending = 0;
  services = 0;
  /** In ms. */
  usedAt = 0;
  /** Until when everything is refused, in ms; 0: it is not. */
  cutUntil = 0;
  private updatesFullAt: FullAt = 0;
  private bytesFullAt: FullAt = 0;
  /** Of requests that came though it was told to wait. */
  private refusedFullAt: FullAt = 0;
  private requests: Admission | undefined;
  private opens: OpenAdmission | undefined;

  constructor(
    readonly name: string,
    readonly kind: AccountKind,
    /** Of another domain than ours. */
    private readonly remote: boolean,
    private readonly rules: AccountRules,
  ) {}

  /** Times as much as one full JID of our own domain. */
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

  /** Of requests. */
  get perSecond(): number {
    return this.rules.limits.requestsPerSecond * this.factor;
  }
  get burst(): number {
    return this.perSecond * this.rules.limits.burstSeconds;
  }

  /** Most of what is counted; a full JID has no bound of its own. */
  most(what: Counted): number {
    if (this.kind === "full") return Infinity;
    const { limits } = this.rules;
    return Math.max(1, Math.floor((limits[LIMIT_OF[what]] * this.factor) / limits.bareJidShare));
  }

  /** Undefined: it may. Else in how many ms it is to come again. */
  request(now: number, chance: number): number | undefined {
    this.usedAt = now;
    return (this.requests ??= new Admission(this)).ask(now, chance);
  }

  /** Its share of the opens of links; undefined: a bare JID's bounds its full JIDs. */
  openShare(now: number): OpenAdmission | undefined {
    this.usedAt = now;
    return this.kind === "full" ? undefined : (this.opens ??= new OpenAdmission(this.rules.opens));
  }

  /** What was admitted cost as much as so many requests more. */
  charge(requests: number, now: number): void {
    this.usedAt = now;
    (this.requests ??= new Admission(this)).charge(requests, now);
  }

  /** It was refused. Whether that happens so often that it does not keep to what it is told. */
  wasRefused(now: number): boolean {
    const { cutOffDebtSeconds: most } = this.rules.limits;
    this.refusedFullAt = spend(this.refusedFullAt, 1, this.perSecond, most, most, now);
    return standingOf(this.refusedFullAt, most, now) <= 0;
  }

  /** Counts what was published, in one stanza. Gives its standing: seconds left, or owed. */
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

  /** Gives back what it will make again when it is needed: buckets that are full. */
  shed(now: number): void {
    if (this.requests?.isIdle(now) === true) this.requests = undefined;
    if (this.opens?.isIdle(now) === true) this.opens = undefined;
  }

  /** Forgetting it changes nothing. */
  idle(now: number): boolean {
    const { burstSeconds, cutOffDebtSeconds } = this.rules.limits;
    return this.free(now) && now - this.usedAt > (burstSeconds + cutOffDebtSeconds) * 1_000;
  }

  /** Nothing is counted for it, and it is not cut off: forgotten, it begins with a full budget. */
  free(now: number): boolean {
    return now >= this.cutUntil && COUNTED.every((what) => this[what] === 0);
  }
}

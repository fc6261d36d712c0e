import { Admission } from "../admission.js";
import { OpenAdmission } from "../open-admission.js";
import type { ComponentLimits } from "../config.js";
import { Meter } from "./meter.js";

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

/** What one full JID, bare JID or domain uses, and what it may. Limits are read anew each time: they may change. */
export class Account {
  readonly counts: Record<Counted, number> = {
    ...{ links: 0, subscriptions: 0, lanes: 0, pending: 0, services: 0 },
  };
  /** In ms. */
  usedAt = 0;
  /** Until when everything is refused, in ms; 0: it is not. */
  cutUntil = 0;
  private readonly updates = new Meter();
  private readonly bytes = new Meter();
  private readonly requests: Admission;
  private readonly opens: OpenAdmission;
  /** Requests that came though it was told to wait. */
  private readonly refused = new Meter();

  constructor(
    readonly name: string,
    readonly kind: AccountKind,
    /** Of another domain than ours. */
    private readonly remote: boolean,
    private readonly limits: ComponentLimits,
  ) {
    const rates = {
      get perSecond(): number {
        return limits.requestsPerSecond * factor();
      },
      get burst(): number {
        return limits.requestsPerSecond * factor() * limits.burstSeconds;
      },
    };
    const factor = (): number => this.factor;
    this.requests = new Admission(rates);
    // One at least, however small a share is.
    this.opens = new OpenAdmission({
      get perSecond() {
        return (limits.opensPerSecond * limits.opensSharePercent) / 100;
      },
      get burst() {
        return Math.max(1, (limits.opensBurst * limits.opensSharePercent) / 100);
      },
    });
  }

  /** Times as much as one full JID of our own domain. */
  private get factor(): number {
    const { bareJidShare, domainShare, remotePercent } = this.limits;
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

  /** Most of what is counted; a full JID has no bound of its own. */
  most(what: Counted): number {
    if (this.kind === "full") return Infinity;
    const { bareJidShare } = this.limits;
    return Math.max(1, Math.floor((this.limits[LIMIT_OF[what]] * this.factor) / bareJidShare));
  }

  /** Undefined: it may. Else in how many ms it is to come again. */
  request(now: number, chance: number): number | undefined {
    this.usedAt = now;
    return this.requests.ask(now, chance);
  }

  /** Its share of the opens of links; undefined: a bare JID's bounds its full JIDs. */
  openShare(now: number): OpenAdmission | undefined {
    this.usedAt = now;
    return this.kind === "full" ? undefined : this.opens;
  }

  /** What was admitted cost as much as so many requests more. */
  charge(requests: number, now: number): void {
    this.usedAt = now;
    this.requests.spend(requests, now);
  }

  /** It was refused. Whether that happens so often that it does not keep to what it is told. */
  wasRefused(now: number): boolean {
    const { requestsPerSecond, cutOffDebtSeconds: most } = this.limits;
    return this.refused.spend(1, requestsPerSecond * this.factor, most, most, now) <= 0;
  }

  /** Counts what was published, in one stanza. Gives its standing: seconds left, or owed. */
  spend(updates: number, bytes: number, now: number): number {
    this.usedAt = now;
    const { updatesPerSecond, publishedBytesPerSecond, burstSeconds, cutOffDebtSeconds: most } = this.limits;
    const { factor } = this;
    return Math.min(
      this.updates.spend(updates, updatesPerSecond * factor, burstSeconds, most, now),
      this.bytes.spend(bytes, publishedBytesPerSecond * factor, burstSeconds, most, now),
    );
  }

  standing(now: number): number {
    const { updatesPerSecond, publishedBytesPerSecond, burstSeconds } = this.limits;
    const { factor } = this;
    return Math.min(
      this.updates.standing(updatesPerSecond * factor, burstSeconds, now),
      this.bytes.standing(publishedBytesPerSecond * factor, burstSeconds, now),
    );
  }

  /** Forgetting it changes nothing. */
  idle(now: number): boolean {
    const { burstSeconds, cutOffDebtSeconds } = this.limits;
    return this.free(now) && now - this.usedAt > (burstSeconds + cutOffDebtSeconds) * 1_000;
  }

  /** Nothing is counted for it, and it is not cut off: forgotten, it begins with a full budget. */
  free(now: number): boolean {
    return now >= this.cutUntil && COUNTED.every((what) => this.counts[what] === 0);
  }
}

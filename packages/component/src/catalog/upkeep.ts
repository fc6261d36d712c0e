import { wallNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { ComponentLimits } from "../config/config.js";
import type { Cursors } from "../cursors/cursors.js";
import type { Offers } from "./offers.js";
import type { Service } from "./service.js";
import type { StoredServices } from "./stored-services.js";

/** Time between two looks at the approvals of a service, in ms. */
const APPROVALS_MS = 3_600_000;

export interface UpkeepParts {
  readonly offers: Offers;
  readonly cursors: Cursors;
  readonly stored: StoredServices;
}

/** Ends what nobody uses any more: approvals, and services whose publishers have left. */
export class Upkeep {
  constructor(
    private readonly parts: UpkeepParts,
    private readonly limits: ComponentLimits,
    private readonly log: Logger,
  ) {}

  /** Once a second for each service. Its owner alone looks after a service. */
  sweep(service: Service, now: number): void {
    if (service.owner !== undefined) return;
    this.sweepApprovals(service, now);
    this.withdrawAbandoned(service, now);
  }

  /**
   * Once an hour it notes which approved accounts are subscribed, and ends approvals that were not used for
   * `approvalSeconds`: their accounts have left.
   */
  private sweepApprovals(service: Service, now: number): void {
    const { record, subscriptions } = service;
    if (record.approved.size === 0 || now < service.approvalsDueAt) return;
    service.approvalsDueAt = now + APPROVALS_MS;
    const today = wallNow();
    for (const { outlet } of subscriptions) record.approved.use(outlet.bareJid, today);
    const ended = record.approved.expire(today - this.limits.approvalSeconds * 1_000);
    void this.parts.stored.changed(record);
    if (ended.length === 0) return;
    this.parts.cursors.reconsider(service);
    this.log.info({ node: record.node, accounts: ended.length }, "approvals have expired that nobody used");
  }

  /**
   * Withdraws a service whose publisher has been gone for `serviceGraceSeconds`, or for `storedServiceSeconds` if the
   * service is stored.
   */
  private withdrawAbandoned(service: Service, now: number): void {
    const { offlineSince } = service;
    const { serviceGraceSeconds, storedServiceSeconds } = this.limits;
    const seconds = service.record.stored === undefined ? serviceGraceSeconds : storedServiceSeconds;
    if (offlineSince !== undefined && now - offlineSince > seconds * 1000)
      this.parts.offers.withdraw(service);
    else if (service.online) this.parts.stored.seen(service.record);
  }
}

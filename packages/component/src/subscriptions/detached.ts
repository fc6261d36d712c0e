import { StanzapackError, type CreditFrame } from "@stanzapack/wire";
import type { FanOut } from "../fanout/fan-out.js";
import type { NewestValues } from "../fanout/newest-values.js";
import type { Logs } from "../kinds/logs.js";
import type { ClientLink } from "../links/client-link.js";
import type { Subscription } from "./subscription.js";

/** Brings detached subscriptions back to their lanes, once acknowledgements and credit allow it. */
export class DetachedSubscriptions {
  constructor(
    private readonly fanOut: FanOut,
    private readonly newest: NewestValues,
    private readonly logs: Logs,
  ) {}

  /** A consumer has read (CREDIT). Throws what ends its link. */
  credit(link: ClientLink, { alias, total }: CreditFrame, now: number): void {
    const subscription = alias === null ? undefined : link.subscriptions.get(alias);
    if (subscription === undefined) {
      // It may have ended meanwhile.
      if (alias !== null && link.isRetired(alias)) return;
      const text = `CREDIT for alias ${alias}, which is no subscription of this link`;
      throw new StanzapackError("unknown-alias", text, { origin: "peer" });
    }
    this.raiseCredit(subscription, total, now);
  }

  /** The consumer takes `total` rows since the subscription began. */
  raiseCredit(subscription: Subscription, total: number, now: number): void {
    subscription.raiseCredit(total);
    const { link } = subscription;
    if (link.detached.has(subscription) && link.maySendData && subscription.hasCredit)
      this.attachAgain(subscription, now);
  }

  /** Acknowledgements came: subscriptions of the link that waited for them go on, as far as the link takes data. */
  reattach(link: ClientLink, now: number): void {
    for (const subscription of link.detached) {
      if (!link.maySendData) return;
      if (subscription.hasCredit) this.attachAgain(subscription, now);
    }
  }

  /** Sends the newest value, or of a log what the subscriber has not had. Then the subscriber goes on with its lane. */
  private attachAgain(subscription: Subscription, now: number): void {
    subscription.link.detached.delete(subscription);
    if (subscription.service.journal !== undefined) return this.logs.resume(subscription);
    subscription.detached = false;
    // Many come back at once: those who stand at one place get one body.
    this.newest.send(subscription, subscription.position + 1);
    subscription.lane.add(subscription);
    // What came while nobody took it.
    this.fanOut.book(subscription.lane, now, false);
  }
}

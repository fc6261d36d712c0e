import { StanzapackError, type CreditFrame } from "@stanzapack/wire";
import type { Cursors } from "../cursors/cursors.js";
import type { ClientLink } from "../links/client-link.js";
import type { Subscription } from "./subscription.js";

/** Takes a consumer's CREDIT, which also moves the cursor of the subscription. Throws what ends its link. */
export function takeCredit(
  link: ClientLink,
  { alias, total }: CreditFrame,
  now: number,
  cursors: Pick<Cursors, "move">,
): void {
  const subscription = alias === null ? undefined : link.subscriptions.get(alias);
  if (subscription === undefined) {
    // The subscription may have ended meanwhile.
    if (alias !== null && link.isRetired(alias)) return;
    const text = `CREDIT for alias ${alias}, which is not a subscription of this link`;
    throw new StanzapackError("unknown-alias", text, { origin: "peer" });
  }
  raiseCredit(subscription, total, now);
  const offset = subscription.takenTo();
  if (offset !== undefined && subscription.cursor !== undefined) cursors.move(subscription.cursor, offset);
}

/**
 * The consumer takes `total` rows since the subscription began. Brings a subscription that waited for credit back to
 * its lane.
 */
export function raiseCredit(subscription: Subscription, total: number, now: number): void {
  subscription.raiseCredit(total);
  const { outlet } = subscription;
  if (subscription.hasCredit && outlet.maySendAt(now) && outlet.endWait())
    subscription.service.kind.comeBack(subscription, now);
}

/**
 * Acknowledgements arrived. Brings subscriptions that waited for them back to their lanes, as long as the link accepts
 * data.
 */
export function reattach(link: ClientLink, now: number): void {
  for (const subscription of link.detached) {
    if (!link.maySendData) return;
    if (subscription.hasCredit && subscription.outlet.endWait())
      subscription.service.kind.comeBack(subscription, now);
  }
}

import { StanzapackError } from "@stanzapack/wire";
import { sleep } from "@stanzapack/xmpp";
import { toStanzapackError } from "../base/errors.js";
import type { Negotiation } from "../negotiation/negotiation.js";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";
import type { Attempts } from "./attempts.js";
import type { CurrentLink, Links } from "./current-link.js";
import type { Refusals } from "./resumption.js";
import { pauseMs } from "./retry-pause.js";
import type { SubscriptionRequests } from "./subscription-requests.js";

/** Subscriptions that wait for another request on the link. */
interface Later {
  readonly later: SharedSubscription[];
  /** Shortest time until that request, as the component named it, in ms. */
  readonly afterMs: number | undefined;
}

/** Subscribes again on a new link to what the client had, and waits for services that are not there. */
export class SubscriptionRestoration {
  constructor(
    private readonly links: Links,
    private readonly attempts: Attempts,
    private readonly requests: SubscriptionRequests,
    private readonly negotiation: Negotiation,
    private readonly subscriptions: Map<string, SharedSubscription>,
    /** Ends the waiting. */
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Subscribes again, except to paused subscriptions. Waits in the background for services that are not there.
   * `refused` has the subscriptions that the token did not restore.
   */
  async restore(
    subscriptions: Iterable<SharedSubscription>,
    current: CurrentLink,
    refused: Refusals = undefined,
  ): Promise<void> {
    const later: SharedSubscription[] = [];
    const asked: SharedSubscription[] = [];
    for (const subscription of subscriptions) {
      const refusal = refused?.get(subscription);
      // A subscription that ended with the last link is asked for again. That answer has the reason.
      if (refusal === undefined || refusal.code === "not-subscribed") asked.push(subscription);
      else if (this.comesLater(subscription, refusal, current)) later.push(subscription);
    }
    const { afterMs, ...more } = await this.establishMany(asked, current);
    for (const subscription of more.later) later.push(subscription);
    if (later.length > 0) void this.waitFor(later, current, afterMs);
  }

  /** Subscribes to all, except to paused ones. */
  private async establishMany(
    subscriptions: readonly SharedSubscription[],
    current: CurrentLink,
  ): Promise<Later> {
    const later: SharedSubscription[] = [];
    let afterMs: number | undefined;
    const fail = (subscription: SharedSubscription, error: unknown): void => {
      if (!this.comesLater(subscription, error, current)) return;
      later.push(subscription);
      if (error instanceof StanzapackError && error.retryAfterMs !== undefined)
        afterMs = Math.max(afterMs ?? 0, error.retryAfterMs);
    };
    await Promise.all(
      subscriptions.map(async (subscription) => {
        if (subscription.paused) return subscription.resting();
        await this.requests
          .establish(subscription, current)
          .catch((error: unknown) => fail(subscription, error));
      }),
    );
    return { later, afterMs };
  }

  /**
   * Takes the reason why a subscription was not granted. Returns true if it is asked for again on this link: its
   * service is not there, or the fault may pass. Otherwise it waits for approval or for the next link, or it has ended.
   */
  private comesLater(subscription: SharedSubscription, error: unknown, current: CurrentLink): boolean {
    const failure = toStanzapackError(error, `subscribing to \`${subscription.node}\` again`);
    const { code } = failure;
    if (subscription.ended || !current.link.live) return false;
    if (code === "no-such-service" || code === "pending") {
      // A pattern, or the approval of the publisher, may have bound it meanwhile.
      if (subscription.isBound) return false;
      subscription.interrupt(code === "pending" ? "pending" : "waiting");
      return code !== "pending";
    }
    subscription.credit.end();
    const passes = this.attempts.mayPass(current, failure);
    if (!passes) this.end(subscription, failure);
    else if (!subscription.isBound) subscription.interrupt("waiting");
    return passes && current.link.live;
  }

  /** Asks again and again, until all are granted or the link ends. */
  private async waitFor(
    subscriptions: readonly SharedSubscription[],
    current: CurrentLink,
    firstMs: number | undefined,
  ): Promise<void> {
    let missing = subscriptions;
    let afterMs = firstMs;
    for (let tries = 0; missing.length > 0; tries++) {
      await sleep(pauseMs(afterMs, tries), this.signal);
      if (this.signal.aborted || !current.link.live) return;
      // A pattern, or a decision of a publisher, may have brought some.
      missing = missing.filter(({ ended, subid, pending }) => !ended && !pending && subid === "");
      ({ later: missing, afterMs } = await this.establishMany(missing, current));
    }
  }

  /** Takes the decision of a publisher on a subscription that waited for it. `error`: the publisher denies. */
  async decided(node: string, error: StanzapackError | undefined): Promise<void> {
    // The component answers `pending` before, but a frame with the answer may arrive behind the decision.
    await sleep(0, this.signal);
    const asked = this.subscriptions.get(node);
    if (asked !== undefined) await this.attempts.answered(asked);
    const { current } = this.links;
    const subscription = this.subscriptions.get(node);
    if (current === undefined || (subscription?.subid ?? "") !== "") return;
    if (subscription !== undefined && error !== undefined) return this.end(subscription, error);
    if (error !== undefined) return;
    if (subscription !== undefined && !subscription.paused) return this.restore([subscription], current);
    // The component has a subscription that was given up, or is paused.
    await this.negotiation.unsubscribe(node, undefined).catch(() => undefined);
    subscription?.resting();
  }

  /** Makes the component do what is wanted now of a subscription. Tries again after a failure for a while. */
  settle(subscription: SharedSubscription, current: CurrentLink): Promise<void> {
    return this.attempts.persist(
      current,
      `changing \`${subscription.node}\``,
      async () => {
        await this.attempts.answered(subscription);
        await this.requests.settle(subscription, current);
      },
      (failure) => this.end(subscription, failure),
    );
  }

  private end(subscription: SharedSubscription, failure: StanzapackError): void {
    if (this.subscriptions.get(subscription.node) === subscription)
      this.subscriptions.delete(subscription.node);
    subscription.finish(failure);
  }
}

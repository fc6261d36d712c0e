import type { StanzapackError } from "@stanzapack/wire";
import { toStanzapackError } from "../base/errors.js";
import type { Link } from "../link/link.js";
import type { Negotiation } from "../negotiation/negotiation.js";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";
import { Attempts } from "./attempts.js";
import { onLink, type CurrentLink, type Links } from "./current-link.js";
import type { FrameRouter, Holdings } from "./frame-router.js";
import { inParallel } from "./in-parallel.js";
import { Resumption } from "./resumption.js";
import { ServiceRequests } from "./service-requests.js";
import { SubscriptionRequests } from "./subscription-requests.js";
import { SubscriptionRestoration } from "./subscription-restoration.js";

/**
 * Services and subscriptions of the client, on its links. The first request makes them, and each new link restores
 * them. A request that fails for a while is made again, with backoff. A failure for good ends the service or the
 * subscription, and its end has the reason.
 */
export class Restoration {
  readonly attempts: Attempts;
  readonly services: ServiceRequests;
  readonly subscriptions: SubscriptionRequests;
  private readonly restored: SubscriptionRestoration;
  private readonly resumption: Resumption;
  private restoring: Promise<void> = Promise.resolve();

  constructor(
    private readonly links: Links,
    negotiation: Negotiation,
    private readonly holdings: Holdings,
    timeoutMs: number,
    /** Ends the restoring. */
    signal: AbortSignal,
  ) {
    const { subscriptions } = holdings;
    const attempts = new Attempts(links, timeoutMs, signal);
    const requests = new SubscriptionRequests(links, attempts, negotiation, timeoutMs, (resting, current) =>
      this.restored.restore([resting], current),
    );
    this.attempts = attempts;
    this.services = new ServiceRequests(links, attempts, negotiation, timeoutMs);
    this.subscriptions = requests;
    this.restored = new SubscriptionRestoration(
      links,
      attempts,
      requests,
      negotiation,
      subscriptions,
      signal,
    );
    this.resumption = new Resumption(
      (subscription) =>
        subscription.resumable &&
        !attempts.isMade(subscription) &&
        subscriptions.get(subscription.node) === subscription,
    );
  }

  /** Restores by token, on a link that has sent HELLO. */
  begin(router: FrameRouter, node: string): void {
    this.resumption.begin(router, node);
  }

  /** Takes a link that has ended, open or not. */
  ended(link: Link, router: FrameRouter): void {
    this.resumption.ended(link, router);
  }

  /** Restores everything on a new link. Resolves when everything was asked for once. */
  restore(current: CurrentLink): Promise<void> {
    return (this.restoring = this.restoreNow(current));
  }

  private async restoreNow(current: CurrentLink): Promise<void> {
    const { attempts, services, holdings } = this;
    const held = [...holdings.services.values()].filter((service) => !attempts.isMade(service));
    await Promise.all([
      inParallel(services.stoppedNodes, (node) => services.withdrawStopped(node, current)),
      inParallel(held, (service) => services.restore(service, current)),
      this.restoreSubscriptions(current),
    ]);
    await attempts.persist(
      current,
      "subscribing to patterns again",
      () => holdings.patterns.restore(current.router),
      // Each group has emitted its own failure.
      () => undefined,
    );
  }

  /** Restores by token as far as possible, and asks for the rest. */
  private async restoreSubscriptions(current: CurrentLink): Promise<void> {
    const refused = await this.resumption.refused;
    const left: SharedSubscription[] = [];
    const unsettled: SharedSubscription[] = [];
    for (const subscription of this.holdings.subscriptions.values()) {
      if (this.attempts.isMade(subscription)) continue;
      if (subscription.subid === "") left.push(subscription);
      else if (!subscription.settled) unsettled.push(subscription);
    }
    await this.restored.restore(left, current, refused);
    // The wanted options may have changed while there was no link.
    await inParallel(unsettled, (subscription) => this.restored.settle(subscription, current));
  }

  /** Takes the decision of a publisher on a subscription that waited for it. `error`: the publisher denies. */
  decided(node: string, error: StanzapackError | undefined): Promise<void> {
    return this.restored.decided(node, error);
  }

  /**
   * Makes the component do what is wanted now of all subscriptions, and waits until everything that it sent before has
   * come. Resolves to false if the link is gone, or ends meanwhile: the next link restores the rest.
   */
  async settleAll(): Promise<boolean> {
    await this.restoring;
    const { current } = this.links;
    if (current === undefined) return false;
    try {
      const settling = inParallel(this.holdings.subscriptions.values(), (subscription) =>
        this.restored.settle(subscription, current),
      ).then(() => current.link.barrier());
      // No answer comes over a link that is gone.
      await onLink(current, settling);
    } catch (error) {
      current.link.end(toStanzapackError(error, "changing the subscriptions of an inactive client"));
    }
    return current.link.live;
  }
}

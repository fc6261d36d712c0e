import type { Selection } from "@stanzapack/wire";
import { toStanzapackError } from "../base/errors.js";
import type { Granted, Negotiation } from "../negotiation/negotiation.js";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";
import type { Attempts } from "./attempts.js";
import { fitsFrame } from "./bulk.js";
import { Gathering } from "./gathering.js";
import { onLink, type CurrentLink, type Links } from "./current-link.js";

/** The requests about one subscription: to subscribe, change and unsubscribe on the current link. */
export class SubscriptionRequests {
  /** Nodes that a frame gives back. An iq of the same node could overtake the frame. */
  private readonly leaving = new Map<string, Promise<void>>();
  private readonly gathering = new Gathering();

  constructor(
    private readonly links: Links,
    private readonly attempts: Attempts,
    private readonly negotiation: Negotiation,
    private readonly timeoutMs: number,
    /** Subscribes again to a subscription that was given back for a pause. */
    private readonly wake: (subscription: SharedSubscription, current: CurrentLink) => Promise<void>,
  ) {}

  /** Subscribes on the current link, once however many ask. */
  establish(subscription: SharedSubscription, on = this.links.current): Promise<void> {
    const establish = async (current: CurrentLink): Promise<void> => {
      const { router, link } = current;
      await this.leaving.get(subscription.node);
      const { wanted } = subscription;
      try {
        const byFrame =
          fitsFrame(wanted) && (await onLink(current, this.gathering.subscribe(subscription, router)));
        if (!byFrame) await this.subscribeByIq(subscription, current);
      } catch (error) {
        // The component may have granted it, and nobody wants it.
        if (link.live && subscription.ended) void router.giveUp(subscription);
        throw error;
      }
      if (subscription.selection.heartbeatMs !== null) link.watchSilence();
      // It was stopped during the request.
      if (subscription.ended) void router.giveUp(subscription);
      else if (asksOtherwise(subscription, wanted)) await this.settle(subscription, current);
    };
    return this.attempts.once(subscription, establish, on);
  }

  /** Subscribes where a frame does not suit: the options do not fit into it, or it would have to wait. */
  private async subscribeByIq(subscription: SharedSubscription, current: CurrentLink): Promise<void> {
    const { wanted } = subscription;
    subscription.begin(wanted.credit);
    const asked = this.negotiation.subscribe(subscription.node, wanted);
    const granted = await onLink(current, current.router.boundAfter(subscription, asked, this.timeoutMs));
    subscription.applyGrant(granted);
  }

  /** Takes subscriptions that a frame gives back until `done`. `establish` of the same node waits for that. */
  leave(subscriptions: readonly SharedSubscription[], done: Promise<unknown>): void {
    const over = done.then(
      () => undefined,
      () => undefined,
    );
    for (const { node } of subscriptions) this.leaving.set(node, over);
    void over.then(() => {
      for (const { node } of subscriptions) if (this.leaving.get(node) === over) this.leaving.delete(node);
    });
  }

  /**
   * Unsubscribes. Resolves at once without a link, and also before the grant: the router gives the subscription back
   * when the component grants it.
   */
  async unsubscribe(subscription: SharedSubscription): Promise<void> {
    const { node, subid, pending } = subscription;
    const { current } = this.links;
    if (current === undefined) return;
    if (subid === "" && !pending) {
      if (!this.attempts.isAsked(subscription)) void current.router.giveUp(subscription);
      return;
    }
    try {
      // A pending subscription has no alias by which a frame could name it.
      await onLink(
        current,
        pending ? this.negotiation.unsubscribe(node, undefined) : this.giveBack(subscription, current),
      );
    } catch (error) {
      // It has ended in any case: with its link, or first on the other side.
      const { code } = toStanzapackError(error, "stopping");
      if (current.link.live && (code === "internal" || code === "protocol")) throw error;
    }
  }

  /** Gives a granted subscription back. */
  private giveBack(subscription: SharedSubscription, { router }: CurrentLink): Promise<unknown> {
    const given = router.giveUp(subscription);
    this.leave([subscription], given);
    return given;
  }

  /** Changes the options of a granted subscription. Rejects also when the link ends. */
  change(subscription: SharedSubscription, windowMs: number, selection: Selection): Promise<Granted> {
    const { current } = this.links;
    const { node, subid } = subscription;
    const request = this.negotiation.change(node, subid, windowMs, selection);
    return current === undefined ? request : onLink(current, request);
  }

  /** Makes the component do what is wanted now: pauses, resumes, or changes window and selection. */
  async settle(subscription: SharedSubscription, current: CurrentLink): Promise<void> {
    const { node, subid, paused, wantedWindowMs } = subscription;
    if (subscription.ended || subscription.settled) return;
    try {
      if (paused) {
        const given = this.giveBack(subscription, current);
        subscription.resting();
        await given;
      } else if (subid === "") {
        // A subscription that is being made, or waits for its service, is made with the new options.
        if (subscription.rests) await this.wake(subscription, current);
      } else {
        const { askedSelection } = subscription;
        const granted = await this.negotiation.change(node, subid, wantedWindowMs, askedSelection);
        // The answer says nothing about another link.
        if (current.link.live && subscription.subid === subid) subscription.applyGrant(granted);
      }
    } catch (error) {
      // Its own end has the reason.
      if (subscription.ended) return;
      const { code } = toStanzapackError(error, `changing \`${node}\``);
      if (code !== "not-subscribed" && code !== "no-such-service") throw error;
    }
  }
}

/** Whether the wanted options have changed since these were asked for. */
export function asksOtherwise(
  { wantedWindowMs, askedSelection, paused }: SharedSubscription,
  { windowMs, selection }: { readonly windowMs: number; readonly selection: unknown },
): boolean {
  return paused || wantedWindowMs !== windowMs || askedSelection !== selection;
}

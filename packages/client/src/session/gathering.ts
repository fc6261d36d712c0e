import { StanzapackError } from "@stanzapack/wire";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";
import { groupAlike, subscribeMany, type Alike } from "./bulk.js";
import type { FrameRouter } from "./frame-router.js";

interface Asking {
  readonly subscription: SharedSubscription;
  /** Takes whether a frame asked for it. */
  readonly resolve: (byFrame: boolean) => void;
  readonly reject: (reason: unknown) => void;
}

/** Subscriptions that are asked for in one turn. Those with equal options share a frame. */
export class Gathering {
  private readonly asking = new Map<FrameRouter, Asking[]>();

  /**
   * Resolves to true when the component has granted the subscription, whose options must fit into a frame. Resolves to
   * false at once if its frame would have to wait: it would be alone in it, and an iq need not wait.
   */
  subscribe(subscription: SharedSubscription, router: FrameRouter): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const asking: Asking = { subscription, resolve, reject };
      const together = this.asking.get(router);
      if (together !== undefined) return void together.push(asking);
      this.asking.set(router, [asking]);
      queueMicrotask(() => this.send(router));
    });
  }

  private send(router: FrameRouter): void {
    const asking = new Map((this.asking.get(router) ?? []).map((it) => [it.subscription, it]));
    this.asking.delete(router);
    for (const alike of groupAlike(asking.keys())) {
      const [first, second] = alike.subscriptions;
      if (first !== undefined && second === undefined && router.requests.isFull)
        asking.get(first)?.resolve(false);
      else void subscribeAlike(alike, router, asking);
    }
  }
}

async function subscribeAlike(
  { subscriptions, options, credit }: Alike,
  router: FrameRouter,
  asking: ReadonlyMap<SharedSubscription, Asking>,
): Promise<void> {
  for (const subscription of subscriptions) subscription.begin(credit);
  const nodes = subscriptions.map(({ node }) => node);
  try {
    const { refused } = await subscribeMany(router, nodes, { ...options, credit });
    for (const subscription of subscriptions) {
      const failure = refused.get(subscription.node) ?? ungranted(subscription);
      if (failure === undefined) asking.get(subscription)?.resolve(true);
      else asking.get(subscription)?.reject(failure);
    }
  } catch (error) {
    for (const subscription of subscriptions) asking.get(subscription)?.reject(error);
  }
}

/** Returns an error if the component has neither granted nor refused the subscription. */
function ungranted({ node, subid, ended, paused }: SharedSubscription): StanzapackError | undefined {
  // A subscription that was granted, and stopped or paused since, has no `subid` either.
  if (subid !== "" || ended || paused) return undefined;
  return new StanzapackError("timeout", `no GRANT for \`${node}\``);
}

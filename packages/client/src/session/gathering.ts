import { StanzapackError } from "@stanzapack/wire";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";
import { groupAlike, subscribeMany, type Alike } from "./bulk.js";
import type { FrameRouter } from "./frame-router.js";

interface Asking {
  readonly subscription: SharedSubscription;
  readonly settle: (refusal?: unknown) => void;
}

/** Subscriptions that are asked for in one turn. Those with equal options share a frame. */
export class Gathering {
  private readonly asking = new Map<FrameRouter, Asking[]>();

  /** Resolves when the component has granted it. Its options must fit into a frame. */
  subscribe(subscription: SharedSubscription, router: FrameRouter): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (refusal?: unknown): void =>
        refusal === undefined ? resolve() : reject(refusal as Error);
      const together = this.asking.get(router);
      if (together !== undefined) return void together.push({ subscription, settle });
      this.asking.set(router, [{ subscription, settle }]);
      queueMicrotask(() => this.send(router));
    });
  }

  private send(router: FrameRouter): void {
    const asking = this.asking.get(router) ?? [];
    this.asking.delete(router);
    const settlers = new Map(asking.map(({ subscription, settle }) => [subscription, settle]));
    for (const alike of groupAlike(settlers.keys())) void subscribeAlike(alike, router, settlers);
  }
}

async function subscribeAlike(
  { subscriptions, options, credit }: Alike,
  router: FrameRouter,
  settlers: ReadonlyMap<SharedSubscription, Asking["settle"]>,
): Promise<void> {
  for (const subscription of subscriptions) subscription.begin(credit);
  const nodes = subscriptions.map(({ node }) => node);
  try {
    const { refused } = await subscribeMany(router, nodes, { ...options, credit });
    for (const subscription of subscriptions)
      settlers.get(subscription)?.(refused.get(subscription.node) ?? ungranted(subscription));
  } catch (error) {
    for (const subscription of subscriptions) settlers.get(subscription)?.(error);
  }
}

/** Returns an error if the component has neither granted nor refused the subscription. */
function ungranted({ node, subid, ended, paused }: SharedSubscription): StanzapackError | undefined {
  // A subscription that was granted, and stopped or paused since, has no `subid` either.
  if (subid !== "" || ended || paused) return undefined;
  return new StanzapackError("timeout", `no GRANT for \`${node}\``);
}

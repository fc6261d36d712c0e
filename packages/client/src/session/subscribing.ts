import type { CommandWatcher } from "../commands/command-host.js";
import { toStanzapackError } from "../base/errors.js";
import type { SubscribeOptions } from "../options/subscribe-options.js";
import { SharedSubscription } from "../subscribe/shared-subscription.js";
import type { Subscription } from "../subscribe/subscription.js";
import { untilApproved } from "../subscribe/until-approved.js";
import type { ClientState } from "./client-state.js";
import type { LinkKeeper } from "./link-keeper.js";

/** The part that all subscriptions of the client to one node share. `isNew`: it was not requested yet. */
export interface Shared {
  readonly shared: SharedSubscription;
  readonly isNew: boolean;
}

/** Subscribes to single nodes. All subscriptions to one node share one request. */
export class Subscribing {
  /** Queues of commands, which wait for calls to be possible. */
  readonly watchers = new Set<CommandWatcher>();

  constructor(
    private readonly subscriptions: Map<string, SharedSubscription>,
    private readonly keeper: LinkKeeper,
    private readonly state: ClientState,
  ) {}

  /** Takes a prepared node and checked options. See `Client.subscribe`. */
  async subscribe<T>(node: string, own: SubscribeOptions<T>): Promise<Subscription<T>> {
    this.subscriptions.get(node)?.assertSame(own);
    const { shared, isNew } = this.share(node, own);
    const subscription = shared.join<T>(own);
    subscription.hold();
    shared.greet(subscription);
    if (isNew) shared.made = this.make(shared);
    try {
      await shared.made;
      // Its first request may have been lost with its link, while it waited for approval.
      if (!shared.granted) await untilApproved(subscription as Subscription<unknown>, own);
      await this.state.adopted(shared);
    } catch (error) {
      await subscription.stop().catch(() => undefined);
      throw toStanzapackError(error, `subscribing to \`${node}\``);
    }
    subscription.handOut();
    return subscription;
  }

  /** Returns the shared part of a node, which it makes if there is none. It asks the component for nothing. */
  share(node: string, options: SubscribeOptions<unknown>): Shared {
    const known = this.subscriptions.get(node);
    if (known?.ended === false) return { shared: known, isNew: false };
    const shared = new SharedSubscription(node, options, {
      change: (s, windowMs, selection) => this.keeper.held.subscriptions.change(s, windowMs, selection),
      stop: (s) => this.stop(s),
      credit: (frame) => this.keeper.link?.sendFrame(frame),
      callable: (s) => {
        for (const watcher of this.watchers) watcher.callable(s.node);
      },
      mapChanged: (s, outcome) => {
        for (const watcher of this.watchers) watcher.mapChanged(s.node, outcome);
      },
    });
    this.state.adopt(shared);
    this.subscriptions.set(node, shared);
    return { shared, isNew: true };
  }

  /** Makes the first request. Resolves also if the publisher must approve: the subscription is pending then. */
  private async make(shared: SharedSubscription): Promise<void> {
    const { attempts, subscriptions } = this.keeper.held;
    try {
      await attempts.make([shared], () => subscriptions.establish(shared));
    } catch (error) {
      const failure = toStanzapackError(error, `subscribing to \`${shared.node}\``);
      if (failure.code === "pending") return shared.interrupt("pending");
      shared.finish(failure);
      await this.stop(shared).catch(() => undefined);
      throw failure;
    }
  }

  private async stop(shared: SharedSubscription): Promise<void> {
    const { node } = shared;
    if (this.subscriptions.get(node) === shared) this.subscriptions.delete(node);
    await this.keeper.held.subscriptions.unsubscribe(shared);
  }
}

import { StanzapackError, type Value } from "@stanzapack/wire";
import { checked } from "../options/option-checks.js";
import type { Subscription } from "./subscription.js";
import type { RangeEvent, StatusEvent, Update } from "./subscription-events.js";
import type { ChangeOptions } from "../options/subscribe-options.js";
import { listenedTo, UpdateEmitter } from "./update-emitter.js";

/** An update, with the node of its service. */
export interface GroupUpdate<T> extends Update<T> {
  readonly node: string;
}

export interface SubscriptionGroupEvents<T> {
  update: (update: GroupUpdate<T>) => void;
  /** A service of a pattern was offered, and the group has subscribed to it. */
  subscribed: (subscription: Subscription<T>) => void;
  /** A service of a pattern could not be subscribed. `node` is the pattern. */
  refused: (node: string, error: StanzapackError) => void;
  /** One subscription has ended. The others continue. */
  unsubscribed: (node: string, error: StanzapackError | undefined) => void;
  /** The events of one subscription, with its node. */
  lost: (range: RangeEvent & { readonly node: string }) => void;
  conflated: (range: RangeEvent & { readonly node: string }) => void;
  reset: (range: RangeEvent & { readonly node: string }) => void;
  status: (event: StatusEvent & { readonly node: string }) => void;
  /** The group has ended. Emitted once. */
  ended: (error: StanzapackError | undefined) => void;
}

/** The calls that a group makes to its client. */
export interface GroupHost {
  change(group: SubscriptionGroup<unknown>, options: ChangeOptions): Promise<void>;
  stop(group: SubscriptionGroup<unknown>): Promise<void>;
}

/**
 * Many subscriptions at once. Iterate it for the updates of all, listen to `update`, or use each subscription by
 * itself. The queue of each subscription is bounded, and the iteration takes from one after another. While `update` has
 * a listener, an iteration throws `usage`. The iteration ends when the group is stopped, and throws the error that
 * ended its last subscription otherwise.
 */
export class SubscriptionGroup<T = Value>
  extends UpdateEmitter<SubscriptionGroupEvents<T>>
  implements AsyncIterable<GroupUpdate<T>>
{
  private readonly members = new Map<string, Subscription<T>>();
  private readonly refusals = new Map<string, StanzapackError>();
  /** Subscriptions with updates that wait, in turn. */
  private readonly ready = new Set<Subscription<T>>();
  private readonly waiting: {
    resolve: (result: IteratorResult<GroupUpdate<T>, undefined>) => void;
    reject: (error: unknown) => void;
  }[] = [];
  private passing = false;
  /** The last update of each member that the iteration gave to the program. */
  private readonly inHand = new Map<Subscription<T>, Update<T>>();
  private endedWith: { readonly error: StanzapackError | undefined } | undefined;
  /** @internal */
  onEnded: (() => void) | undefined;
  /** @internal Nodes that were stopped one by one. No pattern subscribes to them again. */
  readonly left = new Set<string>();
  /** @internal Requests whose patterns stand on the current link. */
  requests: readonly number[] = [];

  /** Use `client.subscribeAll`. */
  constructor(...none: [never, ...never[]]);
  /** @internal */
  constructor(patterns: readonly string[], host: GroupHost);
  constructor(
    /** @internal Patterns, which stand for services now and later. */
    readonly patterns: readonly string[],
    private readonly host: GroupHost,
  ) {
    super();
  }

  /** Current subscriptions, by node. */
  get subscriptions(): ReadonlyMap<string, Subscription<T>> {
    return this.members;
  }
  /** Refused requests, by node or pattern, with the reason. */
  get refused(): ReadonlyMap<string, StanzapackError> {
    return this.refusals;
  }
  get ended(): boolean {
    return this.endedWith !== undefined;
  }

  /**
   * Changes the window or the selection of all subscriptions, and of those that patterns add later. Options that you
   * leave out stay as they are. The change is one frame, or one frame for each selection in force. With a pattern,
   * options that a log refuses apply to the other services. Throws `stopped` after the end.
   */
  async change(options: ChangeOptions): Promise<void> {
    const own = checked("change", options);
    if (this.ended) throw new StanzapackError("stopped", "the group has ended");
    await this.host.change(this as SubscriptionGroup<unknown>, own);
  }

  /** Ends all subscriptions in one frame. Idempotent. */
  async stop(): Promise<void> {
    if (this.ended) return;
    await this.host.stop(this as SubscriptionGroup<unknown>);
  }

  [Symbol.asyncIterator](): AsyncIterator<GroupUpdate<T>, undefined> {
    return {
      next: () => this.next(),
      return: async () => {
        await this.stop();
        return { value: undefined, done: true };
      },
    };
  }

  private next(): Promise<IteratorResult<GroupUpdate<T>, undefined>> {
    if (this.listenerCount("update") > 0) return Promise.reject(listenedTo("the group"));
    // Asking for the next update says that those before were taken.
    for (const [member, update] of this.inHand) member.markTaken(update);
    this.inHand.clear();
    const taken = this.take();
    if (taken !== undefined) {
      this.inHand.set(...taken);
      return Promise.resolve({ value: taken[1], done: false });
    }
    if (this.endedWith?.error !== undefined) return Promise.reject(this.endedWith.error);
    if (this.endedWith !== undefined) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  private take(): readonly [Subscription<T>, GroupUpdate<T>] | undefined {
    for (const member of this.ready) {
      if (member.hasEarly) continue;
      this.ready.delete(member);
      const update = member.take();
      if (update === undefined) continue;
      // To the end of the queue.
      if (member.waits) this.ready.add(member);
      return [member, { node: member.node, ...update }];
    }
    return undefined;
  }

  /** @internal */
  protected override handOver(): void {
    for (const { reject } of this.waiting.splice(0)) reject(listenedTo("the group"));
    this.pass();
  }

  private pass(): void {
    // A listener that adds another listener receives the waiting updates in its turn.
    if (this.passing) return;
    this.passing = true;
    while ((this.listenerCount("update") > 0 && !this.hasEarly) || this.waiting.length > 0) {
      const taken = this.take();
      if (taken === undefined) break;
      const [member, update] = taken;
      if (this.listenerCount("update") > 0) {
        this.emit("update", update);
        member.markTaken(update);
      } else {
        this.inHand.set(member, update);
        this.waiting.shift()?.resolve({ value: update, done: false });
      }
    }
    this.passing = false;
  }

  /** @internal */
  add(member: Subscription<T>): void {
    const { node } = member;
    this.members.set(node, member);
    member.onQueued = () => {
      this.ready.add(member);
      this.pass();
    };
    // Events of the member may wait until somebody can listen. The group needs its ranges and its end at once.
    member.onRange = (event, range) => this.tell(event, { node, ...range });
    member.on("status", (status) => this.emit("status", { node, ...status }));
    member.onEnded = (error) => {
      // A refused subscription was never a member.
      if (this.members.get(node) !== member) return;
      this.members.delete(node);
      if (this.ended) return;
      if (error === undefined) this.left.add(node);
      this.tell("unsubscribed", node, error);
      if (this.members.size === 0 && this.patterns.length === 0) this.finish(error);
    };
  }

  /** @internal Called before the program has the group. */
  refuse(node: string, error: StanzapackError): void {
    this.members.delete(node);
    this.refusals.set(node, error);
  }

  /** @internal */
  finish(error: StanzapackError | undefined): void {
    if (this.ended) return;
    this.endedWith = { error };
    this.onEnded?.();
    for (const { resolve, reject } of this.waiting.splice(0)) {
      if (error === undefined) resolve({ value: undefined, done: true });
      else reject(error);
    }
    this.tell("ended", error);
  }
}

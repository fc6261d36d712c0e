import { StanzapackError, type Value } from "@stanzapack/wire";
import { checked } from "../options/option-checks.js";
import type { RangeEvent, StatusEvent, Subscription, Update } from "./subscription.js";
import type { ChangeOptions } from "../options/subscribe-options.js";
import { listenedTo, UpdateEmitter } from "./update-emitter.js";

/** An update, and whose. */
export interface GroupUpdate<T> extends Update<T> {
  readonly node: string;
}

export interface SubscriptionGroupEvents<T> {
  update: (update: GroupUpdate<T>) => void;
  /** A service that a pattern means was offered, and is subscribed. */
  subscribed: (subscription: Subscription<T>) => void;
  /** One that a pattern means could not be subscribed: the pattern, and why. */
  refused: (node: string, error: StanzapackError) => void;
  /** One subscription has ended; the others go on. */
  unsubscribed: (node: string, error: StanzapackError | undefined) => void;
  /** As those of one subscription, with its node. */
  lost: (range: RangeEvent & { readonly node: string }) => void;
  conflated: (range: RangeEvent & { readonly node: string }) => void;
  reset: (range: RangeEvent & { readonly node: string }) => void;
  status: (event: StatusEvent & { readonly node: string }) => void;
  /** Once, at the end of all. */
  ended: (error: StanzapackError | undefined) => void;
}

/** What a group asks of its client. */
export interface GroupHost {
  change(group: SubscriptionGroup<unknown>, options: ChangeOptions): Promise<void>;
  stop(group: SubscriptionGroup<unknown>): Promise<void>;
}

/**
 * Many subscriptions at once: iterate it for the updates of all, or listen to `update`, or use each by itself. What waits is bounded
 * for each; the iteration takes from one after another. While there is a listener an iteration throws `usage`. It ends when the group is stopped, or throws what ended its last one.
 */
export class SubscriptionGroup<T = Value>
  extends UpdateEmitter<SubscriptionGroupEvents<T>>
  implements AsyncIterable<GroupUpdate<T>>
{
  private readonly members = new Map<string, Subscription<T>>();
  private readonly refusals = new Map<string, StanzapackError>();
  /** Those with updates that wait, in turn. */
  private readonly ready = new Set<Subscription<T>>();
  private readonly waiting: {
    resolve: (result: IteratorResult<GroupUpdate<T>, undefined>) => void;
    reject: (error: unknown) => void;
  }[] = [];
  private passing = false;
  private endedWith: { readonly error: StanzapackError | undefined } | undefined;
  /** @internal */
  onEnded: (() => void) | undefined;
  /** @internal Stopped one by one: no pattern brings them back. */
  readonly left = new Set<string>();
  /** @internal The requests whose patterns stand on the link there is. */
  requests: readonly number[] = [];

  /** Use `client.subscribeAll`. */
  constructor(...none: [never, ...never[]]);
  /** @internal */
  constructor(patterns: readonly string[], host: GroupHost);
  constructor(
    /** @internal Those that it takes whatever they mean, now and later. */
    readonly patterns: readonly string[],
    private readonly host: GroupHost,
  ) {
    super();
  }

  /** The subscriptions there are, by node. */
  get subscriptions(): ReadonlyMap<string, Subscription<T>> {
    return this.members;
  }
  /** What was asked for and refused, by node or pattern, and why. */
  get refused(): ReadonlyMap<string, StanzapackError> {
    return this.refusals;
  }
  get ended(): boolean {
    return this.endedWith !== undefined;
  }

  /**
   * Another window, or selection, for all of them, and for what patterns bring later: in one frame, or in one for each selection that they
   * have by then. What is left out stays as it is. With a pattern, what a log cannot do counts for the others.
   */
  async change(options: ChangeOptions): Promise<void> {
    const own = checked("change", options);
    if (this.ended) throw new StanzapackError("stopped", "the group has ended");
    await this.host.change(this as SubscriptionGroup<unknown>, own);
  }

  /** Ends all of them, in one frame. Idempotent. */
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
    const update = this.take();
    if (update !== undefined) return Promise.resolve({ value: update, done: false });
    if (this.endedWith?.error !== undefined) return Promise.reject(this.endedWith.error);
    if (this.endedWith !== undefined) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  private take(): GroupUpdate<T> | undefined {
    for (const member of this.ready) {
      if (member.hasEarly) continue;
      this.ready.delete(member);
      const update = member.take();
      if (update === undefined) continue;
      // To the end of the row.
      if (member.waits) this.ready.add(member);
      return { node: member.node, ...update };
    }
    return undefined;
  }

  /** @internal */
  protected override handOver(): void {
    for (const { reject } of this.waiting.splice(0)) reject(listenedTo("the group"));
    this.pass();
  }

  private pass(): void {
    // A listener that adds another one gets what waits in its turn.
    if (this.passing) return;
    this.passing = true;
    while ((this.listenerCount("update") > 0 && !this.hasEarly) || this.waiting.length > 0) {
      const update = this.take();
      if (update === undefined) break;
      if (this.listenerCount("update") > 0) this.emit("update", update);
      else this.waiting.shift()?.resolve({ value: update, done: false });
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
    // Not when the member's own listeners are told: its end, which comes behind, counts here at once.
    member.onRange = (event, range) => this.tell(event, { node, ...range });
    member.on("status", (status) => this.emit("status", { node, ...status }));
    member.onEnded = (error) => {
      // One that was refused was never one of ours.
      if (this.members.get(node) !== member) return;
      this.members.delete(node);
      if (this.ended) return;
      if (error === undefined) this.left.add(node);
      this.tell("unsubscribed", node, error);
      if (this.members.size === 0 && this.patterns.length === 0) this.finish(error);
    };
  }

  /** @internal Before anybody has it. */
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

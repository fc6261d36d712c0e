import {
  isPattern,
  matchesPattern,
  parseNode,
  parsePattern,
  StanzapackError,
  WHOLE,
  type NodePattern,
} from "@stanzapack/wire";
import { callSafely } from "@stanzapack/xmpp";
import type { Attempts } from "./attempts.js";
import { changeMany, subscribeMany } from "./bulk.js";
import type { ClientState } from "./client-state.js";
import type { CurrentLink } from "./current-link.js";
import { toStanzapackError } from "../base/errors.js";
import type { FrameRouter, PatternHolder } from "./frame-router.js";
import type { AskedOptions } from "../negotiation/negotiation.js";
import { soon } from "../base/soon.js";
import type { Shared } from "./subscribing.js";
import type { SubscriptionRequests } from "./subscription-requests.js";
import { SubscriptionGroup } from "../subscribe/subscription-group.js";
import { select } from "../subscribe/asked-selection.js";
import { initialCredit } from "../subscribe/credit.js";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";
import type { Subscription } from "../subscribe/subscription.js";
import type { ChangeOptions, SubscribeOptions } from "../options/subscribe-options.js";

/** The current link, and the requests on it. */
export interface GroupsLink {
  readonly router: FrameRouter | undefined;
  readonly held: {
    readonly attempts: Pick<Attempts, "make">;
    readonly subscriptions: Pick<SubscriptionRequests, "leave">;
  };
}

interface Own {
  readonly options: SubscribeOptions<unknown>;
  asked: AskedOptions;
  readonly patterns: readonly (NodePattern & { readonly text: string })[];
}

/** First members and patterns of a group. */
interface Wanted {
  /** Subscriptions to nodes for which this client has no subscription yet. */
  readonly made: readonly Subscription<unknown>[];
  /** Subscriptions to nodes for which this client has a subscription already. */
  readonly joined: readonly Subscription<unknown>[];
  readonly patterns: readonly string[];
}

/** Whether both patterns match some node. */
function overlap(a: NodePattern, b: NodePattern): boolean {
  return a.owner === b.owner && (a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix));
}

/** Returns the patterns among the texts, without those that another pattern covers. Throws `bad-name`. */
function readPatterns(wanted: readonly string[]): Own["patterns"] {
  const patterns = wanted.filter(isPattern).map((text) => ({ text, ...parsePattern(text) }));
  const covers = (a: NodePattern, b: NodePattern): boolean =>
    a !== b && a.owner === b.owner && b.prefix.startsWith(a.prefix);
  return patterns.filter((pattern) => !patterns.some((other) => covers(other, pattern)));
}

/** Makes, changes and ends groups of subscriptions, by frames that name many subscriptions. */
export class Groups implements PatternHolder {
  /** Groups whose first request waits for its answer. */
  private readonly opening = new Set<SubscriptionGroup<unknown>>();
  private readonly groups = new Map<SubscriptionGroup<unknown>, Own>();

  constructor(
    private readonly subscriptions: Map<string, SharedSubscription>,
    private readonly state: ClientState,
    private readonly link: GroupsLink,
    /** Returns what all subscriptions of the client to a node share. */
    private readonly share: (node: string, options: SubscribeOptions<unknown>) => Shared,
  ) {}

  /**
   * Opens a group. Throws `usage` if a pattern overlaps one of another group, and `invalid-options` if a node has other
   * options in force. Rejects if nothing was granted and no pattern stands.
   */
  async open(
    nodes: readonly string[],
    options: SubscribeOptions<unknown>,
  ): Promise<SubscriptionGroup<unknown>> {
    const single = [...new Set(nodes)].filter((node) => !isPattern(node));
    const patterns = readPatterns([...new Set(nodes)]);
    for (const node of single) parseNode(node);
    if (options.copy !== undefined)
      throw new StanzapackError("invalid-options", "subscribeAll: `copy` is of one map: use `subscribe`");
    for (const node of single) this.subscriptions.get(node)?.assertSame(options);
    const taken = patterns.find((pattern) => this.overlaps(pattern));
    if (taken !== undefined)
      throw new StanzapackError(
        "usage",
        `\`${taken.text}\` overlaps a pattern that is subscribed already: change that, or stop it first`,
      );
    const texts = patterns.map(({ text }) => text);
    const group = new SubscriptionGroup<unknown>(texts, {
      change: (it, asked) => this.change(it, asked),
      stop: (it) => this.stop(it),
    });
    const { windowMs = 0 } = options;
    const asked = { windowMs, selection: select(WHOLE, options) };
    this.groups.set(group, { options, asked, patterns });
    group.hold();
    group.onEnded = () => this.groups.delete(group);
    this.opening.add(group);
    const made: Subscription<unknown>[] = [];
    const joined: Subscription<unknown>[] = [];
    for (const node of single) {
      const { member, isNew } = this.addTo(group, node, options);
      (isNew ? made : joined).push(member);
    }
    // A member that ends here does not end the group, because all members are in it already.
    for (const member of joined) member.shared.greet(member);
    try {
      await this.subscribe(group, { made, joined, patterns: texts }, options);
    } catch (error) {
      await this.stop(group).catch(() => undefined);
      throw toStanzapackError(error, "subscribing to many");
    } finally {
      this.opening.delete(group);
    }
    // Among them are members that patterns have added by now.
    for (const member of group.subscriptions.values()) member.handOut();
    group.handOut();
    return group;
  }

  private async subscribe(
    group: SubscriptionGroup<unknown>,
    wanted: Wanted,
    options: SubscribeOptions<unknown>,
  ): Promise<void> {
    const refused = await this.ask(group, wanted, options);
    let pends = false;
    for (const [node, error] of refused) {
      const shared = this.subscriptions.get(node);
      if (error.code === "pending") {
        pends = true;
        shared?.interrupt("pending");
        continue;
      }
      group.refuse(node, error);
      if (shared === undefined || !wanted.made.some((member) => member.shared === shared)) continue;
      this.subscriptions.delete(node);
      shared.finish(error);
    }
    const [first] = refused.values();
    const count = wanted.made.length + wanted.joined.length + wanted.patterns.length;
    if (group.refused.size === count && first !== undefined) throw first;
    if (pends) callSafely(options.onPending);
    const granted = [...group.subscriptions.values()].filter(({ shared }) => !shared.pending);
    await Promise.all(granted.map(({ shared }) => this.state.adopted(shared)));
  }

  /** Asks for the new nodes and patterns, and waits for nodes that others have asked for. Resolves to all refusals. */
  private async ask(
    group: SubscriptionGroup<unknown>,
    { made, joined, patterns }: Wanted,
    options: SubscribeOptions<unknown>,
  ): Promise<Map<string, StanzapackError>> {
    const targets = made.map(({ shared }) => shared);
    const nodes = [...made.map(({ node }) => node), ...patterns];
    const ask = async ({ router }: CurrentLink): Promise<ReadonlyMap<string, StanzapackError>> => {
      for (const target of targets) target.begin(initialCredit(options));
      const outcome = await subscribeMany(router, nodes, this.wanted(group));
      this.stands(router, group, outcome.requests);
      return outcome.refused;
    };
    const nothing: ReadonlyMap<string, StanzapackError> = new Map();
    const asking = nodes.length === 0 ? Promise.resolve(nothing) : this.link.held.attempts.make(targets, ask);
    for (const target of targets) {
      target.made = asking.then((refused) => {
        const error = refused.get(target.node);
        if (error !== undefined && error.code !== "pending") throw error;
      });
      // Subscriptions that join later receive the rejection.
      target.made.catch(() => undefined);
    }
    const refused = new Map(await asking);
    for (const { node, shared } of joined)
      await shared.made?.catch((error: unknown) =>
        refused.set(node, toStanzapackError(error, `subscribing to \`${node}\``)),
      );
    return refused;
  }

  private addTo(
    group: SubscriptionGroup<unknown>,
    node: string,
    options: SubscribeOptions<unknown>,
  ): { readonly member: Subscription<unknown>; readonly isNew: boolean } {
    const { shared, isNew } = this.share(node, options);
    const member = shared.join(options);
    member.hold();
    group.add(member);
    return { member, isNew };
  }

  private overlaps(pattern: NodePattern): boolean {
    for (const { patterns } of this.groups.values())
      if (patterns.some((other) => overlap(other, pattern))) return true;
    return false;
  }

  /** Returns the group that has a pattern for the node. */
  private holderOf(node: string): SubscriptionGroup<unknown> | undefined {
    const id = parseNode(node);
    for (const [group, { patterns }] of this.groups)
      if (patterns.some((pattern) => matchesPattern(pattern, id))) return group;
    return undefined;
  }

  adopt(node: string): SharedSubscription | undefined {
    const group = this.holderOf(node);
    const own = group === undefined ? undefined : this.groups.get(group);
    if (group === undefined || own === undefined || group.left.has(node)) return undefined;
    const { windowMs, selection } = own.asked;
    const { member } = this.addTo(group, node, { ...own.options, windowMs, ...selection });
    member.shared.greet(member);
    // The frame that grants it arrives in the same read.
    if (!this.opening.has(group)) member.handOut();
    return member.shared;
  }

  creditOf(node: string): number {
    const group = this.holderOf(node);
    return initialCredit((group && this.groups.get(group)?.options) ?? { maxQueued: 1 });
  }

  /** Returns the options to ask the component for, for the subscriptions of a group. */
  private wanted(group: SubscriptionGroup<unknown>): AskedOptions {
    const { options = {}, asked = { windowMs: 0, selection: WHOLE } } = this.groups.get(group) ?? {};
    const windowMs = this.state.widened(asked.windowMs);
    const { since, cursor } = options;
    return { ...asked, windowMs, since, cursor, credit: initialCredit(options) };
  }

  adopted(subscription: SharedSubscription): void {
    const member = this.holderOf(subscription.node)?.subscriptions.get(subscription.node);
    // If the request fails, the link is ending, and the next link restores the wanted options.
    this.state.adopted(subscription).catch(() => undefined);
    if (member !== undefined) this.holderOf(subscription.node)?.emit("subscribed", member);
  }

  refused(request: number, error: StanzapackError): void {
    // The answer that shows whose request it is may arrive in the same read.
    soon(() => {
      for (const group of this.groups.keys())
        if (group.requests.includes(request)) group.tell("refused", group.patterns.join(", "), error);
    });
  }

  /** The patterns of the group stand on the link under these numbers. Ends them if the group was stopped meanwhile. */
  private stands(router: FrameRouter, group: SubscriptionGroup<unknown>, requests: readonly number[]): void {
    // Numbers of a link that is gone mean nothing.
    if (group.patterns.length === 0 || this.link.router !== router) return;
    if (this.groups.has(group)) group.requests = requests;
    // If the request fails, the link is ending.
    else changeMany(router, [], requests, null).catch(() => undefined);
  }

  /** The link has ended: the numbers of its requests mean nothing on another link. */
  linkEnded(): void {
    for (const group of this.groups.keys()) group.requests = [];
  }

  /** Subscribes to patterns again. What they added before is restored already. They add services offered meanwhile. */
  async restore(router: FrameRouter): Promise<void> {
    for (const group of this.groups.keys()) {
      // A group that is being opened asks by itself. The patterns of another group may stand already.
      if (group.patterns.length === 0 || this.opening.has(group) || group.requests.length > 0) continue;
      try {
        const { requests, refused } = await subscribeMany(router, group.patterns, this.wanted(group));
        this.stands(router, group, requests);
        for (const [pattern, error] of refused) group.tell("refused", pattern, error);
      } catch (error) {
        const failure = toStanzapackError(error, "subscribing to patterns again");
        if (failure.retryable) throw failure;
        for (const pattern of group.patterns) group.tell("refused", pattern, failure);
      }
    }
  }

  private async change(group: SubscriptionGroup<unknown>, options: ChangeOptions): Promise<void> {
    const own = this.groups.get(group);
    const { router } = this.link;
    if (own === undefined) throw new StanzapackError("stopped", "the group has ended");
    const byPattern = group.patterns.length > 0;
    const next = {
      windowMs: options.windowMs ?? own.asked.windowMs,
      selection: select(own.asked.selection, options),
    };
    const changes = [...group.subscriptions.values()].map(({ shared: member }) => ({
      member,
      before: { windowMs: member.askedWindowMs, selection: member.askedSelection },
      after: member.changed(options, byPattern),
    }));
    const before = own.asked;
    own.asked = next;
    for (const { member, after } of changes) member.ask(after);
    // The requests on the next link have the new options.
    if (router === undefined) return;
    try {
      // Members whose options differ need a frame of their own.
      const kinds = new Map([[JSON.stringify(next), { asked: next, members: [] as SharedSubscription[] }]]);
      for (const { member, after } of changes) {
        const key = JSON.stringify(after);
        const alike = kinds.get(key);
        if (alike === undefined) kinds.set(key, { asked: after, members: [member] });
        else alike.members.push(member);
      }
      let patterns = group.requests;
      for (const { asked, members } of kinds.values()) {
        const windowMs = this.state.widened(asked.windowMs);
        const refusal = await changeMany(router, members, patterns, { ...asked, windowMs });
        if (refusal !== undefined) throw refusal;
        patterns = [];
      }
    } catch (error) {
      if (this.link.router !== router) return;
      own.asked = before;
      for (const { member, before: asked } of changes) member.ask(asked);
      throw toStanzapackError(error, "changing many");
    }
  }

  private async stop(group: SubscriptionGroup<unknown>): Promise<void> {
    const { router } = this.link;
    const members = [...group.subscriptions.values()];
    group.finish(undefined);
    const given: Promise<void>[] = [];
    const last: SharedSubscription[] = [];
    const pending: Subscription<unknown>[] = [];
    for (const member of members) {
      const { shared } = member;
      // A pending subscription has no alias by which a frame could name it.
      if (shared.pending) pending.push(member);
      else if (shared.release(member)) {
        last.push(shared);
        if (this.subscriptions.get(shared.node) === shared) this.subscriptions.delete(shared.node);
      }
    }
    if (router !== undefined) {
      for (const shared of last) router.tellTaken(shared);
      const leaving = changeMany(router, last, group.requests, null).then(() => undefined);
      given.push(leaving);
      this.link.held.subscriptions.leave(last, leaving);
      for (const shared of last) router.forget(shared);
    }
    // Listeners may subscribe to the same nodes again, which have been given back by now.
    for (const member of pending) given.push(member.stop());
    for (const member of members) member.finish(undefined);
    try {
      await Promise.all(given);
    } catch (error) {
      // The subscriptions have ended in any case: with the link, or by the component before.
      const { code } = toStanzapackError(error, "stopping");
      if (code === "internal" || code === "protocol") throw error;
    }
  }

  finish(reason: StanzapackError | undefined): void {
    for (const group of this.groups.keys()) group.finish(reason);
  }
}

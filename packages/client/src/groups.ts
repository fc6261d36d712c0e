import { parseNode, StanzapackError, WHOLE } from "@stanzapack/wire";
import { callSafely } from "@stanzapack/xmpp";
import { changeMany, subscribeMany } from "./bulk.js";
import type { ClientState } from "./client-state.js";
import { toStanzapackError } from "./errors.js";
import type { FrameRouter, PatternHolder } from "./frame-router.js";
import type { AskedOptions } from "./negotiation.js";
import { SubscriptionGroup } from "./subscription-group.js";
import {
  initialCredit,
  select,
  type ChangeOptions,
  type SubscribeOptions,
  type Subscription,
} from "./subscription.js";

/** The link, and waiting for it. */
export interface GroupsLink {
  readonly router: FrameRouter | undefined;
  untilUp(): Promise<void>;
}

/** `alice@example.org/*`: its owner; undefined for a node. Throws `bad-name`. */
function patternOwner(node: string): string | undefined {
  if (!node.endsWith("/*")) {
    parseNode(node);
    return undefined;
  }
  return parseNode(`${node.slice(0, -1)}x`).owner;
}

function ownerOf(node: string): string {
  return node.slice(0, Math.max(0, node.lastIndexOf("/")));
}

/** Groups of subscriptions: made, changed and ended by frames that name many. */
export class Groups implements PatternHolder {
  /** Those whose first request is under way. */
  private readonly opening = new Set<SubscriptionGroup<unknown>>();
  private readonly groups = new Map<
    SubscriptionGroup<unknown>,
    { readonly options: SubscribeOptions<unknown>; asked: AskedOptions }
  >();

  constructor(
    private readonly subscriptions: Map<string, Subscription<unknown>>,
    private readonly state: ClientState,
    private readonly link: GroupsLink,
    /** A subscription that the client holds. */
    private readonly create: (node: string, options: SubscribeOptions<unknown>) => Subscription<unknown>,
  ) {}

  /** Throws `usage` for what is subscribed already. Rejects when nothing was granted and no pattern stands. */
  async open(
    nodes: readonly string[],
    options: SubscribeOptions<unknown>,
  ): Promise<SubscriptionGroup<unknown>> {
    const wanted = [...new Set(nodes)];
    const owners = wanted.flatMap((node) => patternOwner(node) ?? []);
    const taken =
      wanted.find((node) => this.subscriptions.has(node)) ?? owners.find((owner) => this.holderOf(owner));
    if (taken !== undefined)
      throw new StanzapackError("usage", `\`${taken}\` is subscribed already: change that, or stop it first`);
    const group = new SubscriptionGroup<unknown>(owners, {
      change: (it, asked) => this.change(it, asked),
      stop: (it) => this.stop(it),
    });
    const { windowMs = 0 } = options;
    this.groups.set(group, { options, asked: { windowMs, selection: select(WHOLE, options) } });
    group.once("ended", () => this.groups.delete(group));
    this.opening.add(group);
    for (const node of wanted) if (patternOwner(node) === undefined) this.addTo(group, node, options);
    try {
      await this.link.untilUp();
      await this.subscribe(group, wanted, options);
    } catch (error) {
      await this.stop(group).catch(() => undefined);
      throw toStanzapackError(error, "subscribing to many");
    } finally {
      this.opening.delete(group);
    }
    return group;
  }

  private async subscribe(
    group: SubscriptionGroup<unknown>,
    wanted: readonly string[],
    options: SubscribeOptions<unknown>,
  ): Promise<void> {
    const { router } = this.link;
    if (router === undefined) throw new StanzapackError("disconnected", "the link is gone");
    const asked = this.wanted(group);
    for (const member of group.subscriptions.values()) member.begin(initialCredit(options));
    const { refused, requests } = await subscribeMany(router, wanted, asked);
    this.stands(router, group, requests);
    let pends = false;
    for (const [node, error] of refused) {
      const member = this.subscriptions.get(node);
      if (error.code === "pending") {
        pends = true;
        member?.interrupt("pending");
        continue;
      }
      this.subscriptions.delete(node);
      group.refuse(node, error);
      member?.finish(error);
    }
    const [first] = refused.values();
    if (group.refused.size === wanted.length && first !== undefined) throw first;
    if (pends) callSafely(options.onPending);
    const granted = [...group.subscriptions.values()].filter((member) => !member.pending);
    await Promise.all(granted.map((member) => this.state.adopted(member)));
  }

  private addTo(
    group: SubscriptionGroup<unknown>,
    node: string,
    options: SubscribeOptions<unknown>,
  ): Subscription<unknown> {
    const member = this.create(node, options);
    group.add(member);
    return member;
  }

  private holderOf(owner: string): SubscriptionGroup<unknown> | undefined {
    for (const group of this.groups.keys()) if (group.owners.includes(owner)) return group;
    return undefined;
  }

  adopt(node: string): Subscription<unknown> | undefined {
    const group = this.holderOf(ownerOf(node));
    const own = group === undefined ? undefined : this.groups.get(group);
    if (group === undefined || own === undefined || group.left.has(node)) return undefined;
    const { windowMs, selection } = own.asked;
    return this.addTo(group, node, { ...own.options, windowMs, ...selection });
  }

  creditOf(node: string): number {
    const group = this.holderOf(ownerOf(node));
    return initialCredit((group && this.groups.get(group)?.options) ?? { maxQueued: 1 });
  }

  /** What to ask the component for, of what it brings. */
  private wanted(group: SubscriptionGroup<unknown>): AskedOptions {
    const { options = {}, asked = { windowMs: 0, selection: WHOLE } } = this.groups.get(group) ?? {};
    const windowMs = this.state.widened(asked.windowMs);
    return { ...asked, windowMs, since: options.since, credit: initialCredit(options) };
  }

  adopted(subscription: Subscription<unknown>): void {
    const group = this.holderOf(ownerOf(subscription.node));
    // Where that fails the link is going, and restores what is to be.
    this.state.adopted(subscription).catch(() => undefined);
    group?.emit("subscribed", subscription);
  }

  refused(request: number, error: StanzapackError): void {
    for (const group of this.groups.keys())
      if (group.requests.includes(request)) group.emit("refused", `${group.owners.join("/*, ")}/*`, error);
  }

  /** Its patterns stand on the link under these numbers; not for one that was stopped meanwhile. */
  private stands(router: FrameRouter, group: SubscriptionGroup<unknown>, requests: readonly number[]): void {
    if (group.owners.length === 0) return;
    if (this.groups.has(group)) group.requests = requests;
    // Where that fails the link is going.
    else changeMany(router, [], requests, null).catch(() => undefined);
  }

  /** Numbers of requests are the link's. */
  linkEnded(): void {
    for (const group of this.groups.keys()) group.requests = [];
  }

  /** What patterns brought is there again: they bring what was offered meanwhile. */
  async restore(router: FrameRouter): Promise<void> {
    for (const group of this.groups.keys()) {
      // One that is being opened asks by itself.
      if (group.owners.length === 0 || this.opening.has(group)) continue;
      const patterns = group.owners.map((owner) => `${owner}/*`);
      const { requests, refused } = await subscribeMany(router, patterns, this.wanted(group));
      this.stands(router, group, requests);
      for (const [pattern, error] of refused) group.emit("refused", pattern, error);
    }
  }

  private async change(group: SubscriptionGroup<unknown>, options: ChangeOptions): Promise<void> {
    const own = this.groups.get(group);
    const { router } = this.link;
    if (own === undefined || router === undefined)
      throw new StanzapackError("disconnected", "the link is gone: change them when it is back");
    const byPattern = group.owners.length > 0;
    const next = {
      windowMs: options.windowMs ?? own.asked.windowMs,
      selection: select(own.asked.selection, options),
    };
    const changes = [...group.subscriptions.values()].map((member) => ({
      member,
      before: { windowMs: member.askedWindowMs, selection: member.askedSelection },
      after: member.changed(options, byPattern),
    }));
    const before = own.asked;
    own.asked = next;
    for (const { member, after } of changes) member.ask(after);
    try {
      // Those whose own options differ need a frame of theirs.
      const kinds = new Map([
        [JSON.stringify(next), { asked: next, members: [] as Subscription<unknown>[] }],
      ]);
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
      own.asked = before;
      for (const { member, before: asked } of changes) member.ask(asked);
      throw toStanzapackError(error, "changing many");
    }
  }

  private async stop(group: SubscriptionGroup<unknown>): Promise<void> {
    const { router } = this.link;
    const members = [...group.subscriptions.values()];
    // What awaits approval has no alias to name it by.
    const pending = members.filter((member) => member.pending);
    group.finish(undefined);
    const given = pending.map((member) => member.stop());
    for (const member of members) {
      this.subscriptions.delete(member.node);
      member.finish(undefined);
    }
    if (router !== undefined) {
      given.push(changeMany(router, members, group.requests, null).then(() => undefined));
      for (const member of members) router.forget(member);
    }
    try {
      await Promise.all(given);
    } catch (error) {
      // Ended either way: with its link, or by the other side first.
      const { code } = toStanzapackError(error, "stopping");
      if (code === "internal" || code === "protocol") throw error;
    }
  }

  finish(reason: StanzapackError | undefined): void {
    for (const group of this.groups.keys()) group.finish(reason);
  }
}

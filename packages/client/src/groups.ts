import { parseNode, StanzapackError } from "@stanzapack/wire";
import { changeMany, subscribeMany } from "./bulk.js";
import type { ClientState } from "./client-state.js";
import { toStanzapackError } from "./errors.js";
import type { FrameRouter, PatternHolder } from "./frame-router.js";
import { SubscriptionGroup } from "./subscription-group.js";
import type { SubscribeOptions, Subscription } from "./subscription.js";

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
  private readonly groups = new Map<
    SubscriptionGroup<unknown>,
    { readonly options: SubscribeOptions<unknown>; windowMs: number }
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
      change: (it, windowMs) => this.change(it, windowMs),
      stop: (it) => this.stop(it),
    });
    const { windowMs = 0 } = options;
    this.groups.set(group, { options, windowMs });
    group.once("ended", () => this.groups.delete(group));
    for (const node of wanted) if (patternOwner(node) === undefined) this.addTo(group, node, options);
    try {
      await this.link.untilUp();
      await this.subscribe(group, wanted, options);
    } catch (error) {
      await this.stop(group).catch(() => undefined);
      throw toStanzapackError(error, "subscribing to many");
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
    const widened = this.state.widened(options.windowMs ?? 0);
    const { refused, requests } = await subscribeMany(router, wanted, widened, options.since);
    if (group.owners.length > 0) group.requests = requests;
    for (const [node, error] of refused) {
      const member = this.subscriptions.get(node);
      this.subscriptions.delete(node);
      group.refuse(node, error);
      member?.finish(error);
    }
    const [first] = refused.values();
    if (refused.size === wanted.length && first !== undefined) throw first;
    await Promise.all([...group.subscriptions.values()].map((member) => this.state.adopted(member)));
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
    const asked = group === undefined ? undefined : this.groups.get(group);
    if (group === undefined || asked === undefined || group.left.has(node)) return undefined;
    return this.addTo(group, node, { ...asked.options, windowMs: asked.windowMs });
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

  /** What patterns brought is there again: they bring what was offered meanwhile. */
  async restore(router: FrameRouter): Promise<void> {
    for (const [group, { options, windowMs }] of this.groups) {
      if (group.owners.length === 0) continue;
      const patterns = group.owners.map((owner) => `${owner}/*`);
      const { requests, refused } = await subscribeMany(
        router,
        patterns,
        this.state.widened(windowMs),
        options.since,
      );
      group.requests = requests;
      for (const [pattern, error] of refused) group.emit("refused", pattern, error);
    }
  }

  private async change(group: SubscriptionGroup<unknown>, windowMs: number): Promise<void> {
    const asked = this.groups.get(group);
    const { router } = this.link;
    if (asked === undefined || router === undefined)
      throw new StanzapackError("disconnected", "the link is gone: change them when it is back");
    const before = asked.windowMs;
    const members = [...group.subscriptions.values()].map(
      (member) => [member, member.askedWindowMs] as const,
    );
    asked.windowMs = windowMs;
    for (const [member] of members) member.askedWindowMs = windowMs;
    try {
      const subscriptions = members.map(([member]) => member);
      const refusal = await changeMany(router, subscriptions, group.requests, this.state.widened(windowMs));
      if (refusal !== undefined) throw refusal;
    } catch (error) {
      asked.windowMs = before;
      for (const [member, askedBefore] of members) member.askedWindowMs = askedBefore;
      throw toStanzapackError(error, "changing many");
    }
  }

  private async stop(group: SubscriptionGroup<unknown>): Promise<void> {
    const { router } = this.link;
    const members = [...group.subscriptions.values()];
    group.finish(undefined);
    for (const member of members) {
      this.subscriptions.delete(member.node);
      member.finish(undefined);
    }
    if (router === undefined) return;
    const ended = changeMany(router, members, group.requests, null);
    for (const member of members) router.forget(member);
    try {
      await ended;
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

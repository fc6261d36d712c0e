import {
  createRowCodec,
  DEFAULT_LIMITS,
  formatNode,
  isServiceName,
  parseNode,
  StanzapackError,
  type Frame,
  type Value,
} from "@stanzapack/wire";
import {
  beat,
  callSafely,
  createClientConnection,
  createStanzaBytestreams,
  NS,
  type ByteMeter,
  type Connection,
  type InBandBytestreams,
} from "@stanzapack/xmpp";
import { readBareJid, readNode, withPreparedMembers } from "./base/addresses.js";
import { Approvals, checkAuthorize } from "./publish/approvals.js";
import { ClientState } from "./session/client-state.js";
import { Emitter } from "./base/emitter.js";
import { toStanzapackError } from "./base/errors.js";
import { Groups } from "./session/groups.js";
import type { EnvelopeKind } from "./link/link-envelope.js";
import { LinkKeeper } from "./session/link-keeper.js";
import { checked, checkFlag, checkNodes, checkText } from "./options/option-checks.js";
import { Negotiation, type ServiceInfo } from "./negotiation/negotiation.js";
import type { ConfigureOptions, OfferOptions } from "./options/offer-options.js";
import { OfferedService } from "./publish/offered-service.js";
import type { OutboxPart } from "./publish/service-host.js";
import { checkStored, toStoreError, type OutboxStore } from "./store/outbox-store.js";
import {
  resolveConnectOptions,
  type ConnectOptions,
  type ResolvedConnectOptions,
} from "./options/connect-options.js";
import { Publishing } from "./publish/publishing.js";
import type { Sendable } from "./base/sendable.js";
import { SharedSubscription } from "./subscribe/shared-subscription.js";
import type { Subscription } from "./subscribe/subscription.js";
import type { SubscribeOptions } from "./options/subscribe-options.js";
import type { SubscriptionGroup } from "./subscribe/subscription-group.js";

export interface ClientEvents {
  /** The link works. `again`: the link follows a break, and everything is restored. */
  online: (info: { readonly again: boolean }) => void;
  /** The link is gone. The client opens another one by itself. */
  offline: (reason: StanzapackError) => void;
  /**
   * This process could do nothing for `ms` ms, because of a long computation or a stop. Updates that were due leave
   * late, and what arrived meanwhile is read now. The client checks whether its link still exists. The monotonic clock
   * measures `ms`: a change of the wall clock does not count. The sleep of a machine does not count if its monotonic
   * clock stands still meanwhile.
   */
  heldUp: (info: { readonly ms: number }) => void;
  /**
   * `lean`: the client sends small blocks as lean stanzas from now on. `ibb`: the first lean stanza did not arrive
   * unchanged within 15 s. Then the link uses only In-Band Bytestreams, which work with any server and take more bytes.
   * Each kind is emitted at most once a link. Neither is emitted with `envelope: "ibb"`, or if the component has no
   * lean stanzas.
   */
  envelope: (kind: EnvelopeKind) => void;
  /** The client has ended for good: the server refused the credentials, or `close` was called. */
  closed: (reason: StanzapackError | undefined) => void;
}

/**
 * Takes the length in characters and the frames of every stanza of the link. It is for meters, and not part of the
 * stable API.
 */
export interface BlockObserver {
  (
    stanzaChars: number,
    frames: readonly { readonly frame: Frame; readonly node: string | undefined }[],
  ): void;
}

/** Longest time from the end of a hold-up until the client notices it, in ms. */
const BEAT_MS = 1_000;

/**
 * Logs in, opens the link and resolves to the client. With `startOffline` it resolves at once. Throws
 * `StanzapackError`: `auth-failed`, `unreachable`, `component-unavailable`, …
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  const resolved = resolveConnectOptions(options);
  const client = new Client(resolved);
  await client.open(resolved.signal);
  return client;
}

/**
 * One account at one component. A client offers services and subscribes to services of others. An exception of a
 * listener reaches no link and no other listener. The client throws the exception again in its own task, as an uncaught
 * exception. The same holds for the objects that the client makes.
 */
export class Client extends Emitter<ClientEvents> {
  private readonly connection: Connection;
  private readonly streams: InBandBytestreams;
  private readonly negotiation: Negotiation;
  private readonly codec = createRowCodec(DEFAULT_LIMITS);
  private readonly services = new Map<string, OfferedService>();
  private readonly subscriptions = new Map<string, SharedSubscription>();
  private readonly closing = new AbortController();
  private readonly keeper: LinkKeeper;
  private readonly publishing: Publishing;
  private readonly state: ClientState;
  private readonly groups: Groups;
  private readonly approvals: Approvals;
  private keeping: Promise<void> | undefined;
  private closed: Promise<void> | undefined;
  private undo: (() => void)[] = [];
  private wasOnline = false;
  /** Stores of services that have ended, until another service may open them. */
  private readonly releases = new Set<Promise<void>>();
  /** Observes each stanza that arrives, frame by frame. Not part of the stable API. */
  onBlock: BlockObserver | undefined;

  /** Use `connect`. */
  constructor(none: never);
  /** @internal */
  constructor(options: ResolvedConnectOptions);
  constructor(private readonly options: ResolvedConnectOptions) {
    super();
    const { component, timeoutMs } = options;
    this.connection = createClientConnection(options.connection);
    this.streams = createStanzaBytestreams(this.connection);
    // A stanza to the component was returned, and its block is unknown.
    this.streams.onError = () => void this.keeper.link?.ask();
    this.negotiation = new Negotiation(this.connection, component, timeoutMs, this.closing.signal);
    this.publishing = new Publishing(() => this.keeper.link);
    this.keeper = new LinkKeeper(
      this.connection,
      this.streams,
      this.negotiation,
      {
        services: this.services,
        subscriptions: this.subscriptions,
        patterns: {
          linkEnded: () => this.groups.linkEnded(),
          adopt: (node) => this.groups.adopt(node),
          creditOf: (node) => this.groups.creditOf(node),
          adopted: (subscription) => this.groups.adopted(subscription),
          refused: (request, error) => this.groups.refused(request, error),
          restore: (router) => this.groups.restore(router),
        },
        unwanted: (node) => this.keeper.held.services.giveUp(node),
      },
      this.codec,
      { component, timeoutMs, envelope: options.envelope },
      {
        onDown: (reason) => this.emit("offline", reason),
        onRestored: () => {
          this.state.onRestored();
          this.emit("online", { again: this.wasOnline });
          this.wasOnline = true;
        },
        onAcknowledged: (stanzas) => {
          for (const service of this.services.values()) service.acknowledged(stanzas);
        },
        onCredit: () => this.publishing.release(),
        onEnvelope: (kind) => this.emit("envelope", kind),
        onBlock: (chars, frames) => callSafely(this.onBlock, chars, frames),
      },
      this.closing.signal,
    );
    this.approvals = new Approvals(
      this.connection,
      component,
      this.services,
      () => this.online,
      (node, error) => void this.keeper.held.decided(node, error),
    );
    this.state = new ClientState(
      this.connection,
      this.keeper.held,
      this.keeper,
      this.subscriptions,
      this.services,
      options.inactive,
    );
    this.groups = new Groups(this.subscriptions, this.state, this.keeper, (node, asked) =>
      this.share(node, asked),
    );
  }

  /** Full JID of this client. */
  get jid(): string {
    return this.connection.jid;
  }
  /** Whether the client has a link now. */
  get online(): boolean {
    return this.keeper.link !== undefined;
  }
  /** False after `setActive(false)`. */
  get active(): boolean {
    return this.state.active;
  }
  /**
   * Form of the stanzas that carry blocks. `up`: of the next block that this client sends. `down`: of the last block
   * that arrived. Undefined without a link.
   */
  get envelope(): { readonly up: EnvelopeKind; readonly down: EnvelopeKind } | undefined {
    const { link } = this.keeper;
    return link && { up: link.envelope.up, down: link.envelope.down };
  }
  /** Byte counts of this client's XMPP connection. */
  get meter(): ByteMeter {
    return this.connection.meter;
  }

  /** @internal */
  async open(signal: AbortSignal | undefined): Promise<void> {
    const doing = `connecting ${this.options.bareJid}`;
    this.undo = [
      beat(
        BEAT_MS,
        () => undefined,
        (ms) => {
          void this.keeper.link?.ask();
          this.emit("heldUp", { ms });
        },
        // The component may have given up a machine that slept.
        (ms) => {
          if (ms > 0) void this.keeper.link?.ask();
        },
      ),
      this.approvals.register(),
      // The answer is a barrier: the client acknowledges everything received before it answers.
      this.connection.onIq("get", NS.PING, "ping", () => {
        this.keeper.link?.sendAck();
        return undefined;
      }),
      this.connection.on("online", ({ resumed }) => {
        this.state.onStream(resumed);
        if (resumed) {
          this.publishing.release();
          this.keeper.link?.askWhole();
        } else
          this.keeper.abandon(
            new StanzapackError("disconnected", "the session could not be resumed", { origin: "transport" }),
          );
        this.keeper.streamIsBack();
      }),
      this.connection.on("offline", () => this.keeper.streamIsGone()),
      this.connection.on("drain", () => this.publishing.release()),
      this.connection.on("ended", (reason) => {
        if (this.keeping !== undefined)
          void this.shutDown(reason === undefined ? undefined : toStanzapackError(reason, doing));
      }),
    ];
    const heed = (): void => {
      signal?.addEventListener("abort", () => void this.close(), { once: true, signal: this.closing.signal });
      if (signal?.aborted === true) void this.close();
    };
    try {
      if (this.options.startOffline) {
        heed();
        this.keeping = this.keeper.keep();
        // `ended` has the reason of the end.
        this.connection.start().catch(() => undefined);
        return;
      }
      await this.connection.start(signal === undefined ? {} : { signal });
      // From here on the signal closes the whole client, also while the link opens.
      heed();
      await this.keeper.openInTurn();
    } catch (error) {
      const failure = toStanzapackError(error, doing);
      await this.shutDown(failure);
      throw failure;
    }
    this.keeping = this.keeper.keep();
    this.wasOnline = true;
    this.emit("online", { again: false });
  }

  /** Sends the acknowledgement now that is due later, so that a byte count includes it. Not part of the stable API. */
  settle(): void {
    this.keeper.link?.sendAck();
  }

  /**
   * Subscribes to a node, such as `alice@example.org/temp`. The publisher's JID may have any spelling that servers
   * accept. Resolves when the component has granted the subscription. Updates that arrive before you iterate or listen
   * wait for you.
   *
   * Throws `bad-name` if the text is no node. If the publisher must approve, `subscribe` waits: it throws `not-allowed`
   * when the publisher denies, and `pending` after `approvalMs` without a decision.
   *
   * All subscriptions of this client to one node share the stanzas of the component. `change` of one holds for all, the
   * last `stop` unsubscribes, and each subscription has its own queue. A later subscription begins with the newest
   * value, and in a log with the updates from now on. Options that it leaves out stay as they are. Throws
   * `invalid-options` if it asks for another window, selection or `since` than the one in force.
   */
  async subscribe<T = Value>(named: string, options: SubscribeOptions<T> = {}): Promise<Subscription<T>> {
    this.assertOpen();
    checkText("subscribe", "node", named);
    const own = checked("subscribe", options);
    const node = readNode(named);
    parseNode(node);
    this.subscriptions.get(node)?.assertSame(own);
    const { shared, isNew } = this.share(node, own);
    const subscription = shared.join<T>(own);
    subscription.hold();
    shared.greet(subscription);
    if (isNew) shared.made = this.make(shared);
    try {
      await shared.made;
      // Its first request may have been lost with its link, while it waited for approval.
      if (!shared.granted) await this.untilApproved(subscription as Subscription<unknown>, own);
      await this.state.adopted(shared);
    } catch (error) {
      await subscription.stop().catch(() => undefined);
      throw toStanzapackError(error, `subscribing to \`${node}\``);
    }
    subscription.handOut();
    return subscription;
  }

  /** The part that all subscriptions of one node share. */
  private share(
    node: string,
    options: SubscribeOptions<unknown>,
  ): { readonly shared: SharedSubscription; readonly isNew: boolean } {
    const known = this.subscriptions.get(node);
    if (known?.ended === false) return { shared: known, isNew: false };
    const shared = new SharedSubscription(node, options, {
      change: (s, windowMs, selection) => this.keeper.held.subscriptions.change(s, windowMs, selection),
      stop: (s) => this.stopSubscription(s),
      credit: (frame) => this.keeper.link?.sendFrame(frame),
    });
    this.state.adopt(shared);
    this.subscriptions.set(node, shared);
    return { shared, isNew: true };
  }

  /** Resolves also if the publisher must approve: the subscription is pending then. */
  private async make(shared: SharedSubscription): Promise<void> {
    const { held } = this.keeper;
    try {
      await held.attempts.make([shared], () => held.subscriptions.establish(shared));
    } catch (error) {
      const failure = toStanzapackError(error, `subscribing to \`${shared.node}\``);
      if (failure.code === "pending") return shared.interrupt("pending");
      shared.finish(failure);
      await this.stopSubscription(shared).catch(() => undefined);
      throw failure;
    }
  }

  private async untilApproved(
    subscription: Subscription<unknown>,
    { approvalMs = 60_000, onPending }: Pick<SubscribeOptions<unknown>, "approvalMs" | "onPending">,
  ): Promise<void> {
    const { onGranted, pending } = subscription.shared;
    if (pending) callSafely(onPending);
    let timer: ReturnType<typeof setTimeout> | undefined;
    let granted: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        onGranted.add((granted = resolve));
        subscription.onEnded = (error) =>
          reject(error ?? new StanzapackError("stopped", "the client is closed"));
        // It may have ended before, together with the request that was first.
        if (subscription.ended) subscription.onEnded(undefined);
        const text = `no decision on \`${subscription.node}\` within ${approvalMs} ms`;
        timer = setTimeout(() => reject(new StanzapackError("pending", text)), approvalMs);
      });
    } finally {
      clearTimeout(timer);
      subscription.onEnded = undefined;
      if (granted !== undefined) onGranted.delete(granted);
    }
  }

  /**
   * Subscribes to many services at once, and resolves to their group. `nodes` has nodes and patterns. The pattern
   * `alice@example.org/*` means all services of a publisher, and `alice@example.org/t*` those whose name begins with
   * `t`: now, and when they are offered later. All subscriptions have the same options. The group names each
   * subscription by its prepared node.
   *
   * Resolves when the component has granted what it grants. `refused` of the group has the rest. A subscription that a
   * publisher must approve is `pending` until the decision. A pattern asks no publisher. Rejects if nothing was granted
   * and no pattern stands. Throws `usage` if patterns of two groups overlap.
   */
  async subscribeAll<T = Value>(
    nodes: string | readonly string[],
    options: SubscribeOptions<T> = {},
  ): Promise<SubscriptionGroup<T>> {
    this.assertOpen();
    const own = checked("subscribe", options, "subscribeAll");
    const group = await this.groups.open(checkNodes("subscribeAll", nodes).map(readNode), own);
    return group as SubscriptionGroup<T>;
  }

  /**
   * Offers a service under this account's JID. Resolves when the component has the service. With a store and without a
   * link it resolves at once, and the service emits a later fault by `ended`. Waits for the link, and for the next link
   * if that is lost, `timeoutMs` in all.
   *
   * Throws `conflict` while another session of the account publishes the service, and `store-failed`. `T` is the type
   * of the published values, also an interface: `offer<Reading>("reading")`. With `opaque` it is `Uint8Array`.
   */
  async offer(
    name: string,
    options: OfferOptions & { readonly opaque: true },
  ): Promise<OfferedService<Uint8Array>>;
  async offer<T = Value>(name: string, options?: OfferOptions): Promise<OfferedService<Sendable<T>>>;
  async offer(name: string, options: OfferOptions = {}): Promise<OfferedService<never>> {
    return await this.offerValues(name, options);
  }

  private async offerValues(name: string, given: OfferOptions): Promise<OfferedService> {
    this.assertOpen();
    checkText("offer", "name", name);
    const options = withPreparedMembers(checked("offer", given), "offer: `members`");
    if (!isServiceName(name)) throw new StanzapackError("bad-name", `\`${name}\` is no name for a service`);
    const node = formatNode({ owner: this.options.bareJid, name });
    if (this.services.has(node))
      throw new StanzapackError("conflict", `this client offers \`${node}\` already`);
    checkAuthorize(options);
    const part = options.store === undefined ? undefined : await this.openStore(node, options, options.store);
    const host = {
      book: (s: OfferedService, dueAt: number) => this.publishing.book(s, dueAt),
      flush: (s: OfferedService) => this.publishing.flushNow(s),
      settle: () => this.settleData(),
      sendFrame: (frame: Frame) => this.keeper.link?.sendFrame(frame),
      configure: (s: OfferedService, changed: ConfigureOptions) => {
        const { access, members, authorize } = changed;
        if (access !== undefined || members !== undefined || authorize !== undefined)
          this.approvals.forget(s.node);
        return this.keeper.held.services.configure(s, changed);
      },
      revoke: (s: OfferedService, jid: string) => {
        this.approvals.forget(s.node, jid);
        return this.keeper.held.services.revoke(s, jid);
      },
      withdraw: (s: OfferedService) => this.keeper.held.services.withdraw(s),
      ended: (s: OfferedService) => this.forget(s),
    };
    const service = new OfferedService(node, options, host, this.codec, part);
    service.hold();
    this.services.set(node, service);
    this.state.onServices();
    if (part !== undefined && !this.online) {
      service.handOut();
      return service;
    }
    try {
      const { held } = this.keeper;
      await held.attempts.make([service], () => held.services.establish(service));
    } catch (error) {
      const failure = toStanzapackError(error, `offering \`${node}\``);
      service.finish(failure);
      await service.released;
      throw failure;
    }
    // After a break this client must not take the service back from a session that took it over.
    service.options = { ...service.options, takeOver: false };
    service.handOut();
    return service;
  }

  private async openStore(node: string, { kind }: OfferOptions, store: OutboxStore): Promise<OutboxPart> {
    if (kind !== "log")
      throw new StanzapackError("invalid-options", "offer: `store` is for services of kind `log` only");
    await Promise.all(this.releases);
    const doing = `opening the store of \`${node}\``;
    const open = async (): Promise<OutboxPart> => {
      const { OutboxSaver: Saver } = await import("./publish/outbox-saver.js");
      return { stored: checkStored(await store.open(node)), Saver };
    };
    const part = await open().catch((error: unknown) => {
      throw toStoreError(error, doing);
    });
    try {
      this.assertOpen();
      if (this.services.has(node))
        throw new StanzapackError("conflict", `this client offers \`${node}\` already`);
    } catch (error) {
      await (async () => part.stored.close())().catch(() => undefined);
      throw error;
    }
    return part;
  }

  /** Waits until the component has acknowledged our data, as far as a link exists. */
  private async settleData(): Promise<void> {
    // If that fails, the next link or the next program sends the data again.
    await this.keeper.link?.barrier().catch(() => undefined);
  }

  /**
   * Resolves to every service that this account may subscribe to. `owner`, a bare JID, limits the list to one
   * publisher. Throws `invalid-options` if `owner` is no bare JID.
   */
  async listServices(owner?: string): Promise<ServiceInfo[]> {
    this.assertOpen();
    if (owner !== undefined) checkText("listServices", "owner", owner);
    return this.negotiation.services(
      owner === undefined ? undefined : readBareJid(owner, "listServices: `owner`"),
    );
  }

  /**
   * Says whether a person looks at this client (XEP-0352). Resolves when the change holds. Without a link it resolves
   * at once, and the change holds from the next link on. Each subscription emits the change by `status`.
   *
   * Inactive: the client first slows or pauses every subscription, as `inactive` of `connect` says. Then it tells the
   * server, unless it offers services. Active: the client tells the server, restores the windows that were asked for,
   * and receives the newest values.
   */
  async setActive(active: boolean): Promise<void> {
    this.assertOpen();
    checkFlag("setActive", "active", active);
    await this.state.set(active);
  }

  /** Ends all subscriptions, services, the link and the connection. Published updates are still sent. Idempotent. */
  async close(): Promise<void> {
    await this.shutDown(undefined);
  }

  private assertOpen(): void {
    if (this.closed !== undefined || this.closing.signal.aborted)
      throw new StanzapackError("stopped", "the client is closed");
  }

  private shutDown(reason: StanzapackError | undefined): Promise<void> {
    // Listeners that also close the client wait for the same promise.
    return (this.closed ??= Promise.resolve().then(() => this.shutDownNow(reason)));
  }

  private async shutDownNow(reason: StanzapackError | undefined): Promise<void> {
    const storing = reason === undefined ? [...this.services.values()].filter(({ stores }) => stores) : [];
    if (storing.length > 0) await this.drain(storing);
    this.publishing.finish(reason === undefined ? this.services.values() : []);
    this.closing.abort();
    this.groups.finish(reason);
    for (const subscription of this.subscriptions.values()) subscription.finish(reason);
    for (const service of this.services.values()) service.finish(reason);
    const { link } = this.keeper;
    if (reason === undefined) await link?.close();
    else link?.abandon(reason);
    for (const off of this.undo) off();
    this.streams.dispose();
    await this.connection.stop();
    await this.keeping;
    await Promise.all(this.releases);
    this.emit("closed", reason);
  }

  private async stopSubscription(subscription: SharedSubscription): Promise<void> {
    const { node } = subscription;
    if (this.subscriptions.get(node) === subscription) this.subscriptions.delete(node);
    await this.keeper.held.subscriptions.unsubscribe(subscription);
  }

  /** Sends what logs with a store still have, so that the next program sends as little as possible again. */
  private async drain(services: readonly OfferedService[]): Promise<void> {
    await Promise.all(services.map((service) => service.saved().catch(() => undefined)));
    this.publishing.finish(services);
    if (services.some(({ unacknowledged }) => unacknowledged > 0)) await this.settleData();
  }

  private forget(service: OfferedService): void {
    const { released } = service;
    if (released !== undefined) {
      this.releases.add(released);
      void released.then(() => this.releases.delete(released));
    }
    if (this.services.get(service.node) === service) this.services.delete(service.node);
    this.publishing.forget(service);
    this.state.onServices();
  }
}

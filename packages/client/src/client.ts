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
import { OfferedService, type OutboxPart } from "./publish/offered-service.js";
import { checkStored, toStoreError, type OutboxStore } from "./store/outbox-store.js";
import { resolveConnectOptions, type ConnectOptions, type ResolvedConnectOptions } from "./options/connect-options.js";
import { Publishing } from "./publish/publishing.js";
import type { Sendable } from "./base/sendable.js";
import { SharedSubscription } from "./subscribe/shared-subscription.js";
import type { Subscription } from "./subscribe/subscription.js";
import type { SubscribeOptions } from "./options/subscribe-options.js";
import type { SubscriptionGroup } from "./subscribe/subscription-group.js";

export interface ClientEvents {
  /** The link works; `again`: after a break, with everything restored. */
  online: (info: { readonly again: boolean }) => void;
  /** The link is gone; the client brings it back by itself. */
  offline: (reason: StanzapackError) => void;
  /**
   * This process was held up for so many ms: by a long computation, or a stop. What should have left is late; what came meanwhile comes
   * now. The client looks whether its link is still there. Measured by the monotonic clock: setting the wall clock does not count, nor does the
   * sleep of a machine whose monotonic clock stands still meanwhile.
   */
  heldUp: (info: { readonly ms: number }) => void;
  /**
   * `lean`: small blocks go up as lean stanzas from now on. `ibb`: the first one did not arrive as it was sent within 15 s, so the link uses
   * In-Band Bytestreams alone, which work with any server and take more bytes. Each at most once a link; neither with `envelope: "ibb"`,
   * nor with a component that has no lean stanzas.
   */
  envelope: (kind: EnvelopeKind) => void;
  /** For good: the server refused the credentials, or `close`. */
  closed: (reason: StanzapackError | undefined) => void;
}

/** Sees every stanza of the link, its length and its frames, for meters: not part of the stable API. */
export interface BlockObserver {
  (
    stanzaChars: number,
    frames: readonly { readonly frame: Frame; readonly node: string | undefined }[],
  ): void;
}

/** A hold-up of this process is noticed within so many ms of its end. */
const BEAT_MS = 1_000;

/** Logs in, opens the link and gives the client; at once with `startOffline`. Throws `StanzapackError`: `auth-failed`, `unreachable`, `component-unavailable`, … */
export async function connect(options: ConnectOptions): Promise<Client> {
  const resolved = resolveConnectOptions(options);
  const client = new Client(resolved);
  await client.open(resolved.signal);
  return client;
}

/**
 * One account at one component: offers services and subscribes to others'. An exception of a listener, of the client or of what it makes,
 * reaches no link and no other listener: it is thrown again in a task of its own, as an uncaught exception.
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
  /** Stores of services that have ended, until others may have them. */
  private readonly releases = new Set<Promise<void>>();
  /** Observes what arrives, frame by frame. Not part of the stable API. */
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
    // Something sent to the component came back, nobody knows what of.
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
        unwanted: (node) => this.keeper.held.giveUp(node),
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

  /** Own full JID. */
  get jid(): string {
    return this.connection.jid;
  }
  /** Whether there is a link now. */
  get online(): boolean {
    return this.keeper.link !== undefined;
  }
  /** False after `setActive(false)`. */
  get active(): boolean {
    return this.state.active;
  }
  /** In which stanzas blocks travel: `up`, what this client sends next; `down`, the last that came. Undefined without a link. */
  get envelope(): { readonly up: EnvelopeKind; readonly down: EnvelopeKind } | undefined {
    const { link } = this.keeper;
    return link && { up: link.envelope.up, down: link.envelope.down };
  }
  /** Bytes of this client's XMPP connection. */
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
        // A machine that slept may have been given up meanwhile.
        (ms) => {
          if (ms > 0) void this.keeper.link?.ask();
        },
      ),
      this.approvals.register(),
      // The answer is a barrier: everything received is acknowledged before it.
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
        // How it ends is told by `ended`.
        this.connection.start().catch(() => undefined);
        return;
      }
      await this.connection.start(signal === undefined ? {} : { signal });
      // From here on it is the whole client's, the link's opening included.
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

  /** Acknowledges now what would be acknowledged later: whoever counts bytes must not leave that out. Not part of the stable API. */
  settle(): void {
    this.keeper.link?.sendAck();
  }

  /**
   * Subscribes to `alice@example.org/temp`; the publisher's JID may be spelled in any way that servers take for it. Throws
   * `bad-name` for what is no node. Resolves when the component granted it; values that come before you iterate or
   * listen wait for you. Where the publisher has to approve it waits for that: throws `not-allowed` when it is denied, `pending` after
   * `approvalMs` without a decision.
   *
   * Subscriptions of this client to one node share what the component sends: `stop` of the last one unsubscribes, `change` of one holds
   * for all, and each has its own queue. One that joins begins with the newest value, of a log with what comes from now on. Throws
   * `invalid-options` when it asks for another window, selection or `since` than is in force; what it leaves out is as it is.
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
      // Its first request may have been lost with its link, while it awaited approval.
      if (!shared.granted) await this.untilApproved(subscription as Subscription<unknown>, own);
      await this.state.adopted(shared);
    } catch (error) {
      await subscription.stop().catch(() => undefined);
      throw toStanzapackError(error, `subscribing to \`${node}\``);
    }
    subscription.handOut();
    return subscription;
  }

  /** What is shared by all that take a node. */
  private share(
    node: string,
    options: SubscribeOptions<unknown>,
  ): { readonly shared: SharedSubscription; readonly isNew: boolean } {
    const known = this.subscriptions.get(node);
    if (known?.ended === false) return { shared: known, isNew: false };
    const shared = new SharedSubscription(node, options, {
      change: (s, windowMs, selection) => this.keeper.held.change(s, windowMs, selection),
      stop: (s) => this.stopSubscription(s),
      credit: (frame) => this.keeper.link?.sendFrame(frame),
    });
    this.state.adopt(shared);
    this.subscriptions.set(node, shared);
    return { shared, isNew: true };
  }

  /** Resolves also when its publisher has to approve: it is pending then. */
  private async make(shared: SharedSubscription): Promise<void> {
    const { held } = this.keeper;
    try {
      await held.make([shared], () => held.establishSubscription(shared));
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
        // It may have ended before, with whatever asked for it first.
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
   * Subscribes to many services at once: to nodes, and by a pattern to all services of a publisher, `alice@example.org/*`, or to those
   * whose name begins so, `alice@example.org/t*`, now and as they are offered. The group names each by its prepared node. Throws `usage`
   * where patterns of two groups overlap. All have the same options. Resolves when the component has granted what it grants; what it
   * refuses is in `refused`,
   * and what a publisher has to approve is `pending` until that is decided. A pattern asks no publisher. Rejects when nothing was granted
   * and no pattern stands.
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
   * Offers a service under this account's JID. Resolves when the component has it; with a store and without a link at once, and what
   * is wrong then comes by `ended`. Waits for the link, and the next where that is lost meanwhile, `timeoutMs` in all. Throws `conflict`
   * while another session of the account publishes it, and `store-failed`. `T`: what is published, also an interface:
   * `offer<Reading>("reading")`. With `opaque` it is `Uint8Array`.
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
        return this.keeper.held.configure(s, changed);
      },
      revoke: (s: OfferedService, jid: string) => {
        this.approvals.forget(s.node, jid);
        return this.keeper.held.revoke(s, jid);
      },
      withdraw: (s: OfferedService) => this.keeper.held.withdraw(s),
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
      await held.make([service], () => held.establishService(service));
    } catch (error) {
      const failure = toStanzapackError(error, `offering \`${node}\``);
      service.finish(failure);
      await service.released;
      throw failure;
    }
    // Whoever takes it over from this one holds it after a break.
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

  /** What the component has of our data is acknowledged, as far as there is a link. */
  private async settleData(): Promise<void> {
    // Where that fails it is sent again on the next link, or by the next program.
    await this.keeper.link?.barrier().catch(() => undefined);
  }

  /** Every service this account may take, or only those of one publisher (a bare JID). Throws `invalid-options` for what is none. */
  async listServices(owner?: string): Promise<ServiceInfo[]> {
    this.assertOpen();
    if (owner !== undefined) checkText("listServices", "owner", owner);
    return this.negotiation.services(
      owner === undefined ? undefined : readBareJid(owner, "listServices: `owner`"),
    );
  }

  /**
   * Tells whether somebody looks (XEP-0352). Inactive, every subscription is slowed or paused as `inactive` of `connect`
   * says, and then the server is told, unless services are offered; active, the server is told, the windows are as asked for again, and the newest
   * values come. Each subscription tells it by `status`. Resolves when it is so, or at once without a link: it will be so
   * with the next one.
   */
  async setActive(active: boolean): Promise<void> {
    this.assertOpen();
    checkFlag("setActive", "active", active);
    await this.state.set(active);
  }

  /** Ends everything: subscriptions, services, link, connection. What was published is still sent. Idempotent. */
  async close(): Promise<void> {
    await this.shutDown(undefined);
  }

  private assertOpen(): void {
    if (this.closed !== undefined || this.closing.signal.aborted)
      throw new StanzapackError("stopped", "the client is closed");
  }

  private shutDown(reason: StanzapackError | undefined): Promise<void> {
    // Listeners that close it too, meanwhile, wait for the same.
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
    await this.keeper.held.unsubscribe(subscription);
  }

  /** Of logs with a store, so that the next program has no more to send again than it must. */
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

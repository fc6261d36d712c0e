import { StanzapackError, type Value } from "@stanzapack/wire";
import { callSafely, type ByteMeter, type Connection, type InBandBytestreams } from "@stanzapack/xmpp";
import { readBareJid, readNode } from "./base/addresses.js";
import { Emitter } from "./base/emitter.js";
import { toStanzapackError } from "./base/errors.js";
import type { Sendable } from "./base/sendable.js";
import type { BlockObserver, ClientEvents } from "./client-events.js";
import { createClientParts, type ClientParts } from "./client-parts.js";
import type { Commands } from "./commands/commands.js";
import type { EnvelopeKind } from "./link/link-envelope.js";
import type { CursorInfo, Held, ServiceInfo } from "./negotiation/negotiation.js";
import {
  resolveConnectOptions,
  type ConnectOptions,
  type ResolvedConnectOptions,
} from "./options/connect-options.js";
import type { CommandsOptions } from "./options/command-options.js";
import type { OfferOptions } from "./options/offer-options.js";
import {
  checkCursorName,
  checked,
  checkFlag,
  checkNodes,
  checkText,
  nodeOf,
} from "./options/option-checks.js";
import type { SubscribeOptions } from "./options/subscribe-options.js";
import type { OfferedMap } from "./publish/offered-map.js";
import type { OfferedService } from "./publish/offered-service.js";
import { watchConnection } from "./session/connection-watch.js";
import type { LinkKeeper } from "./session/link-keeper.js";
import type { CommandStore } from "./store/command-store.js";
import type { SubscriptionGroup } from "./subscribe/subscription-group.js";
import type { Subscription } from "./subscribe/subscription.js";

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
  private readonly keeper: LinkKeeper;
  private readonly parts: ClientParts;
  private readonly closing = new AbortController();
  private keeping: Promise<void> | undefined;
  private closed: Promise<void> | undefined;
  private undo: (() => void)[] = [];
  private wasOnline = false;
  /** Observes each stanza that arrives, frame by frame. Not part of the stable API. */
  onBlock: BlockObserver | undefined;

  /** Use `connect`. */
  constructor(none: never);
  /** @internal */
  constructor(options: ResolvedConnectOptions);
  constructor(private readonly options: ResolvedConnectOptions) {
    super();
    const parts = createClientParts(
      options,
      {
        onDown: (reason) => this.emit("offline", reason),
        onRestored: () => {
          this.emit("online", { again: this.wasOnline });
          this.wasOnline = true;
        },
        onEnvelope: (kind) => this.emit("envelope", kind),
        onBlock: (chars, frames) => callSafely(this.onBlock, chars, frames),
        assertOpen: () => this.assertOpen(),
      },
      this.closing.signal,
    );
    this.parts = parts;
    this.connection = parts.connection;
    this.streams = parts.streams;
    this.keeper = parts.keeper;
  }

  /** Full JID of this client. */
  get jid(): string {
    return this.connection.jid;
  }
  /** Domain of the component. If it has several nodes: of the node that this client uses now. */
  get component(): string {
    return this.parts.nodes.domain;
  }
  /** Domains of all nodes of the component that this client knows, that of `component` included. */
  get components(): readonly string[] {
    return this.parts.nodes.domains;
  }
  /** Whether the client has a link now. */
  get online(): boolean {
    return this.keeper.link !== undefined;
  }
  /** False after `setActive(false)`. */
  get active(): boolean {
    return this.parts.state.active;
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
    this.undo = watchConnection(this.connection, {
      ...this.parts,
      onHeldUp: (ms) => this.emit("heldUp", { ms }),
      onEnded: (reason) => {
        if (this.keeping !== undefined)
          void this.shutDown(reason === undefined ? undefined : toStanzapackError(reason, doing));
      },
    });
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
   * value, in a log with the updates from now on, and in a map with the copy as it is. Options that it leaves out stay
   * as they are. Throws `invalid-options` if it asks for another window, selection or `since` than the one in force, or
   * if one of the two has a `cursor`.
   */
  async subscribe<T = Value>(named: string, options: SubscribeOptions<T> = {}): Promise<Subscription<T>> {
    this.assertOpen();
    const own = checked("subscribe", options);
    const node = nodeOf("subscribe", named);
    return await this.parts.subscribing.subscribe(node, own);
  }

  /**
   * Subscribes to many services at once, and resolves to their group. `nodes` has nodes and patterns. The pattern
   * `alice@example.org/*` means all services of a publisher, and `alice@example.org/t*` those whose name begins with
   * `t`: now, and when they are offered later. All subscriptions have the same options. The group names each
   * subscription by its prepared node. A pattern leaves out nodes that this client already subscribes to.
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
    const group = await this.parts.groups.open(checkNodes("subscribeAll", nodes).map(readNode), own);
    return group as SubscriptionGroup<T>;
  }

  /**
   * Offers a service under this account's JID. Resolves when the component has the service. With a store and without a
   * link it resolves at once, and the service emits a later fault by `ended`. Waits for the link, and for the next link
   * if that is lost, `timeoutMs` in all.
   *
   * Throws `conflict` while another session of the account publishes the service, and `store-failed`. `T` is the type
   * of the published values, also an interface: `offer<Reading>("reading")`. With `opaque` it is `Uint8Array`. With the
   * kind `map` it is the type of the map's values.
   */
  async offer(
    name: string,
    options: OfferOptions & { readonly opaque: true },
  ): Promise<OfferedService<Uint8Array>>;
  async offer<T = Value>(
    name: string,
    options: OfferOptions & { readonly kind: "map" },
  ): Promise<OfferedMap<Sendable<T>>>;
  async offer<T = Value>(name: string, options?: OfferOptions): Promise<OfferedService<Sendable<T>>>;
  async offer(name: string, options: OfferOptions = {}): Promise<OfferedService<never>> {
    this.assertOpen();
    return await this.parts.offering.offer(name, options);
  }

  /**
   * Opens the queue of this account's commands in a store. A command is a call that waits until it can be made, also
   * through a restart of this program. The queue continues with the commands that an earlier program has left in the
   * store. Needs no link. `openOutboxStore` of `@stanzapack/client/store` makes a store.
   *
   * Throws `store-failed`, which is `retryable` while another queue has the commands; `stopped`; and `unreachable` if a
   * page cannot load the queue's code.
   */
  async commands(store: CommandStore, options: CommandsOptions = {}): Promise<Commands> {
    this.assertOpen();
    return await this.parts.commanding.open(store, options);
  }

  /**
   * Resolves to every service that this account may subscribe to. `owner`, a bare JID, limits the list to one
   * publisher. Throws `invalid-options` if `owner` is no bare JID.
   */
  async listServices(owner?: string): Promise<ServiceInfo[]> {
    this.assertOpen();
    if (owner !== undefined) checkText("listServices", "owner", owner);
    return this.parts.negotiation.services(
      owner === undefined ? undefined : readBareJid(owner, "listServices: `owner`"),
    );
  }

  /**
   * Resolves to the named cursors of this account, in the order of nodes, then of names. `node` limits the list to one
   * service. Throws `bad-name` if the text is no node.
   */
  async cursors(node?: string): Promise<CursorInfo[]> {
    this.assertOpen();
    return this.parts.negotiation.cursors(node === undefined ? undefined : nodeOf("cursors", node));
  }

  /**
   * Deletes a named cursor of this account. Resolves when it is gone. Throws `no-such-cursor`, and `conflict` while a
   * subscription uses the cursor.
   */
  async deleteCursor(node: string, name: string): Promise<void> {
    this.assertOpen();
    checkCursorName("deleteCursor", name);
    await this.parts.negotiation.deleteCursor(nodeOf("deleteCursor", node), name);
  }

  /**
   * Removes everything that the component keeps of an account: services, cursors, subscriptions, approvals. Only for
   * administrators: accounts that `admins` of the component's config lists. Resolves to what was removed, or with
   * `dryRun` to what would be removed. The account's programs may come back: block the account at its server first.
   * Throws `forbidden`, and `busy` if the component's disk takes no deletions.
   */
  async purge(account: string, options: { readonly dryRun: boolean }): Promise<Held[]> {
    this.assertOpen();
    checkText("purge", "account", account);
    checkFlag("purge", "dryRun", (options as Partial<typeof options> | undefined)?.dryRun);
    return this.parts.negotiation.purge(readBareJid(account, "purge: `account`"), options.dryRun);
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
    await this.parts.state.set(active);
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
    const { publishing, groups, subscriptions, services, offering, commanding } = this.parts;
    const stored = commanding.close();
    if (stored !== undefined) await stored;
    const draining = reason === undefined ? offering.drainStored() : undefined;
    if (draining !== undefined) await draining;
    for (const subscription of subscriptions.values()) subscription.tellTaken();
    publishing.finish(reason === undefined ? services.values() : []);
    this.closing.abort();
    groups.finish(reason);
    for (const subscription of subscriptions.values()) subscription.finish(reason);
    for (const service of services.values()) service.finish(reason);
    const { link } = this.keeper;
    if (reason === undefined) await link?.close();
    else link?.abandon(reason);
    for (const off of this.undo) off();
    this.streams.dispose();
    await this.connection.stop();
    await this.keeping;
    await offering.released();
    this.emit("closed", reason);
  }
}

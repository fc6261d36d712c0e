import { EventEmitter } from "eventemitter3";
import {
  createRawDeflate,
  createRowCodec,
  DEFAULT_LIMITS,
  formatNode,
  isServiceName,
  parseNode,
  StanzapackError,
  type BindServiceFrame,
  type BindSubscriptionFrame,
  type Frame,
  type Value,
} from "@stanzapack/wire";
import {
  backoffMs,
  createClientConnection,
  createInBandBytestreams,
  NS,
  sleep,
  xml,
  type ByteMeter,
  type Connection,
  type InBandBytestreams,
  type ReconnectPolicy,
} from "@stanzapack/xmpp";
import { toStanzapackError } from "./errors.js";
import { FlushTimer } from "./flush-timer.js";
import { Link } from "./link.js";
import { Negotiation, type OfferOptions, type ServiceInfo } from "./negotiation.js";
import { OfferedService } from "./offered-service.js";
import type { ConnectOptions, ResolvedConnectOptions } from "./options.js";
import { resolveConnectOptions } from "./options.js";
import { Subscription, type SubscribeOptions } from "./subscription.js";

/** Between tries to open the link, or to subscribe to a service that is not back yet; with full jitter. */
const RETRY: ReconnectPolicy = { minMs: 250, maxMs: 5_000 };
/** How many requests restore a link at once. */
const RESTORE_CONCURRENCY = 32;

export interface ClientEvents {
  /** The link works; `again`: after a break, with everything restored. */
  online: (info: { readonly again: boolean }) => void;
  /** The link is gone; the client brings it back by itself. */
  offline: (reason: StanzapackError) => void;
  /** For good: the server refused the credentials, or `close`. */
  closed: (reason: StanzapackError | undefined) => void;
}

/** A frame as it came, for meters: not part of the stable API. */
export interface BlockObserver {
  (
    stanzaChars: number,
    frames: readonly { readonly frame: Frame; readonly node: string | undefined }[],
  ): void;
}

/** Logs in, opens the link and gives the client. Throws `StanzapackError`: `auth-failed`, `unreachable`, `component-unavailable`, … */
export async function connect(options: ConnectOptions): Promise<Client> {
  const client = new Client(resolveConnectOptions(options));
  await client.open(options.signal);
  return client;
}

/** One account at one component: offers services and subscribes to others'. */
export class Client extends EventEmitter<ClientEvents> {
  private readonly connection: Connection;
  private readonly streams: InBandBytestreams;
  private readonly negotiation: Negotiation;
  private readonly codec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
  private readonly services = new Map<string, OfferedService>();
  private readonly subscriptions = new Map<string, Subscription<unknown>>();
  /** Subscriptions that have been established once: they are restored, others fail. */
  private readonly flusher = new FlushTimer<OfferedService>((due) => this.flush(due));
  /** Services that wait for the link's acknowledgements or socket. */
  private readonly held = new Set<OfferedService>();
  private readonly closing = new AbortController();
  private link: Link | undefined;
  private bindings = new Map<number, Subscription<unknown> | OfferedService>();
  private readonly bindWaiters = new Map<string, () => void>();
  private keeper: Promise<void> | undefined;
  private linkUp: (() => void) | undefined;
  private linkUpWait: Promise<void> = Promise.resolve();
  private linkDown: (() => void) | undefined;
  private closed: Promise<void> | undefined;
  private undo: (() => void)[] = [];
  /** Observes what arrives, frame by frame. */
  onBlock: BlockObserver | undefined;

  /** @internal Use `connect`. */
  constructor(private readonly options: ResolvedConnectOptions) {
    super();
    this.connection = createClientConnection(options.connection);
    this.streams = createInBandBytestreams(this.connection);
    this.negotiation = new Negotiation(this.connection, options.component, options.timeoutMs);
    this.expectLink();
  }

  /** Own full JID. */
  get jid(): string {
    return this.connection.jid;
  }
  get online(): boolean {
    return this.link !== undefined;
  }
  /** Bytes of this client's XMPP connection. */
  get meter(): ByteMeter {
    return this.connection.meter;
  }

  /** @internal */
  async open(signal: AbortSignal | undefined): Promise<void> {
    const doing = `connecting ${this.options.bareJid}`;
    this.undo = [
      // The answer is a barrier: everything received is acknowledged before it.
      this.connection.onIq("get", NS.PING, "ping", () => {
        this.link?.sendAck();
        return undefined;
      }),
      this.connection.on("online", ({ resumed }) => {
        if (!resumed)
          this.link?.abandon(
            new StanzapackError("disconnected", "the session could not be resumed", { origin: "transport" }),
          );
        else this.release();
      }),
      this.connection.on("drain", () => this.release()),
      this.connection.on("ended", (reason) => {
        if (this.keeper !== undefined)
          void this.shutDown(reason === undefined ? undefined : toStanzapackError(reason, doing));
      }),
    ];
    try {
      await this.connection.start(signal === undefined ? {} : { signal });
      await this.openLink();
    } catch (error) {
      const failure = toStanzapackError(error, doing);
      await this.shutDown(failure);
      throw failure;
    }
    this.keeper = this.keepLink();
    signal?.addEventListener("abort", () => void this.close(), { once: true, signal: this.closing.signal });
    this.emit("online", { again: false });
  }

  /** Subscribes to `alice@example.org/temp`. Resolves when the component granted it; values may come before you iterate, none is missed. */
  async subscribe<T = Value>(node: string, options: SubscribeOptions<T> = {}): Promise<Subscription<T>> {
    this.assertOpen();
    parseNode(node);
    if (this.subscriptions.has(node))
      throw new StanzapackError(
        "usage",
        `\`${node}\` is subscribed already: use \`change\` on that subscription`,
      );
    const subscription = new Subscription<T>(node, options, {
      change: (s, windowMs) => this.negotiation.change(s.node, s.subid, windowMs),
      stop: (s) => this.stopSubscription(s),
    });
    const erased = subscription as Subscription<unknown>;
    this.subscriptions.set(node, erased);
    try {
      await this.untilLink();
      await this.establish(erased);
    } catch (error) {
      this.subscriptions.delete(node);
      throw toStanzapackError(error, `subscribing to \`${node}\``);
    }
    return subscription;
  }

  /** Offers a service under this account's JID. Resolves when the component has it. */
  async offer(name: string, options: OfferOptions = {}): Promise<OfferedService> {
    this.assertOpen();
    if (!isServiceName(name)) throw new StanzapackError("bad-name", `\`${name}\` is no name for a service`);
    const node = formatNode({ owner: this.options.bareJid, name });
    if (this.services.has(node))
      throw new StanzapackError("conflict", `this client offers \`${node}\` already`);
    const incarnation = crypto.getRandomValues(new Uint32Array(1))[0] as number;
    const service = new OfferedService(
      node,
      options,
      {
        book: (s, dueAt) => this.flusher.book(s, dueAt),
        configure: (s, changed) => this.negotiation.configure(s.node, changed),
        withdraw: (s) => this.withdraw(s),
      },
      this.codec,
      incarnation,
    );
    this.services.set(node, service);
    try {
      await this.untilLink();
      await this.bindAfter(node, this.negotiation.offer(node, options));
    } catch (error) {
      this.services.delete(node);
      throw toStanzapackError(error, `offering \`${node}\``);
    }
    return service;
  }

  /** Every service this account may take, or only those of one publisher (a bare JID). */
  async listServices(owner?: string): Promise<ServiceInfo[]> {
    this.assertOpen();
    return this.negotiation.services(owner);
  }

  /** Ends everything: subscriptions, services, link, connection. Idempotent. */
  async close(): Promise<void> {
    await this.shutDown(undefined);
  }

  private assertOpen(): void {
    if (this.closing.signal.aborted) throw new StanzapackError("stopped", "the client is closed");
  }

  private shutDown(reason: StanzapackError | undefined): Promise<void> {
    return (this.closed ??= (async () => {
      this.closing.abort();
      this.linkUp?.();
      for (const subscription of this.subscriptions.values()) subscription.finish(reason);
      this.flusher.stop();
      if (reason === undefined) {
        // What was published is still sent.
        this.sendAll([...this.services.values()].filter((service) => service.pending));
        await this.link?.close();
      }
      for (const service of this.services.values()) service.finish(reason);
      this.link?.abandon(reason ?? new StanzapackError("stopped", "the client was closed"));
      for (const off of this.undo) off();
      this.streams.dispose();
      await this.connection.stop();
      await this.keeper;
      this.emit("closed", reason);
    })());
  }

  // --- the link -------------------------------------------------------------------------------------------------

  private expectLink(): void {
    this.linkUpWait = new Promise((resolve) => (this.linkUp = resolve));
  }

  private async untilLink(): Promise<void> {
    if (this.link !== undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () =>
          reject(
            new StanzapackError(
              "timeout",
              `no link to ${this.options.component} within ${this.options.timeoutMs} ms`,
            ),
          ),
        this.options.timeoutMs,
      );
    });
    try {
      await Promise.race([this.linkUpWait, late]);
    } finally {
      clearTimeout(timer);
    }
    this.assertOpen();
  }

  private async openLink(): Promise<void> {
    const { component, timeoutMs } = this.options;
    const stream = await this.streams
      .open(component, { timeoutMs, signal: this.closing.signal })
      .catch((error: unknown) => {
        throw toStanzapackError(error, `opening the link to ${component}`);
      });
    let failed: ((error: StanzapackError) => void) | undefined;
    const failure = new Promise<never>((_, reject) => (failed = reject));
    failure.catch(() => undefined);
    const bindings = (this.bindings = new Map<number, Subscription<unknown> | OfferedService>());
    const link: Link = new Link(this.connection, stream, {
      onFrame: (frame) => this.dispatch(frame, bindings),
      onCredit: () => this.release(),
      onEnd: (error) => {
        failed?.(error);
        if (this.link === link) this.linkEnded(error);
      },
      onBlock: (chars, frames) => this.observe(chars, frames, bindings),
    });
    // Only a hint to the component that we are here, and gone when the server says so.
    this.connection.sendElement(xml("presence", { to: component }));
    await Promise.race([link.ready(timeoutMs), failure]).catch((error: unknown) => {
      link.abandon(toStanzapackError(error, "opening the link"));
      throw error;
    });
    this.link = link;
    this.linkUp?.();
  }

  private linkEnded(error: StanzapackError): void {
    this.link = undefined;
    if (!this.closing.signal.aborted) this.expectLink();
    for (const subscription of this.subscriptions.values()) subscription.interrupt("disconnected");
    for (const service of this.services.values()) service.interrupt();
    this.linkDown?.();
    if (!this.closing.signal.aborted) this.emit("offline", error);
  }

  /** Brings the link back for as long as the client lives. */
  private async keepLink(): Promise<void> {
    const { signal } = this.closing;
    let failures = 0;
    while (!signal.aborted) {
      if (this.link !== undefined) {
        const down = new Promise<void>((resolve) => (this.linkDown = resolve));
        await Promise.race([down, aborted(signal)]);
        failures = 0;
        continue;
      }
      await sleep(backoffMs(RETRY, failures++, Math.random()), signal);
      if (signal.aborted) return;
      if (this.connection.state !== "online") {
        failures = 0;
        continue;
      }
      try {
        await this.openLink();
        await this.restore();
        if (this.online) this.emit("online", { again: true });
      } catch {
        // Nobody to tell: the next try follows, and `offline` was told.
      }
    }
  }

  /** Offers and subscribes again after a break. */
  private async restore(): Promise<void> {
    const link = this.link;
    const tasks: (() => Promise<void>)[] = [
      ...[...this.services.values()].map((service) => () => this.restoreService(service)),
      ...[...this.subscriptions.values()].map(
        (subscription) => () => this.restoreSubscription(subscription, link),
      ),
    ];
    const next = tasks.values();
    const worker = async (): Promise<void> => {
      for (const task of next) await task();
    };
    await Promise.all(Array.from({ length: RESTORE_CONCURRENCY }, worker));
  }

  private async restoreService(service: OfferedService): Promise<void> {
    try {
      await this.bindAfter(service.node, this.negotiation.offer(service.node, service.options));
    } catch (error) {
      const failure = toStanzapackError(error, `offering \`${service.node}\` again`);
      if (failure.retryable || !this.online) return this.link?.abandon(failure);
      this.services.delete(service.node);
      service.finish(failure);
    }
  }

  /** A service that its publisher has not offered again yet is waited for, as long as it takes. */
  private async restoreSubscription(
    subscription: Subscription<unknown>,
    link: Link | undefined,
  ): Promise<void> {
    try {
      await this.establish(subscription);
    } catch (error) {
      const failure = toStanzapackError(error, `subscribing to \`${subscription.node}\` again`);
      if (failure.code === "no-such-service") {
        subscription.interrupt("waiting");
        void this.waitForService(subscription, link);
        return;
      }
      if (failure.retryable || !this.online) return this.link?.abandon(failure);
      this.subscriptions.delete(subscription.node);
      subscription.finish(failure);
    }
  }

  private async waitForService(subscription: Subscription<unknown>, link: Link | undefined): Promise<void> {
    const { signal } = this.closing;
    for (let tries = 0; ; tries++) {
      await sleep(backoffMs(RETRY, tries, Math.random()), signal);
      if (signal.aborted || subscription.ended || this.link !== link) return;
      try {
        await this.establish(subscription);
        return;
      } catch (error) {
        const failure = toStanzapackError(error, `subscribing to \`${subscription.node}\` again`);
        if (failure.code === "no-such-service" || failure.retryable) continue;
        this.subscriptions.delete(subscription.node);
        subscription.finish(failure);
        return;
      }
    }
  }

  private async establish(subscription: Subscription<unknown>): Promise<void> {
    const granted = await this.bindAfter(
      subscription.node,
      this.negotiation.subscribe(subscription.node, subscription.askedWindowMs),
    );
    subscription.applyGrant(granted);
  }

  /** Waits for the answer and for the BIND that goes with it, whichever order they come in. */
  private async bindAfter<R>(node: string, request: Promise<R>): Promise<R> {
    let timer: NodeJS.Timeout | undefined;
    const bound = new Promise<void>((resolve, reject) => {
      this.bindWaiters.set(node, resolve);
      timer = setTimeout(
        () =>
          reject(
            new StanzapackError("timeout", `no BIND for \`${node}\` within ${this.options.timeoutMs} ms`),
          ),
        this.options.timeoutMs,
      );
    });
    bound.catch(() => undefined);
    try {
      const result = await request;
      // Already ours: the component binds only once a link.
      for (const bound of this.bindings.values()) if (bound.node === node) return result;
      await bound;
      return result;
    } finally {
      clearTimeout(timer);
      this.bindWaiters.delete(node);
    }
  }

  private async stopSubscription(subscription: Subscription<unknown>): Promise<void> {
    this.subscriptions.delete(subscription.node);
    if (this.link === undefined || subscription.subid === "") return;
    try {
      await this.negotiation.unsubscribe(subscription.node, subscription.subid);
    } catch (error) {
      // Ended either way: with its link, or by the other side first.
      const { code } = toStanzapackError(error, "stopping");
      if (code === "internal" || code === "protocol") throw error;
    }
  }

  private async withdraw(service: OfferedService): Promise<void> {
    this.services.delete(service.node);
    this.flusher.forget(service);
    this.held.delete(service);
    if (this.link !== undefined) await this.negotiation.withdraw(service.node);
  }

  // --- frames ---------------------------------------------------------------------------------------------------

  private dispatch(frame: Frame, bindings: Map<number, Subscription<unknown> | OfferedService>): void {
    switch (frame.type) {
      case "bind":
        return this.bind(frame, bindings);
      case "data": {
        const target = bindings.get(frame.alias);
        // Data of a subscription just stopped may still be on its way.
        if (target instanceof Subscription) target.deliver(frame, this.codec.decode(frame));
        return;
      }
      case "demand": {
        const target = bindings.get(frame.alias);
        if (target instanceof OfferedService)
          target.setDemand({ subscribers: frame.subscribers, windowMs: frame.windowMs });
        return;
      }
      case "status": {
        const target = bindings.get(frame.alias);
        if (target instanceof Subscription) target.setStatus(frame.status);
        return;
      }
      case "error": {
        const target = frame.alias === null ? undefined : bindings.get(frame.alias);
        if (!(target instanceof Subscription)) return;
        bindings.delete(frame.alias as number);
        this.subscriptions.delete(target.node);
        target.finish(
          new StanzapackError(frame.code, frame.text, {
            origin: "peer",
            ...(frame.retryAfterMs === null ? {} : { retryAfterMs: frame.retryAfterMs }),
          }),
        );
        return;
      }
      case "hello":
      case "ack":
      case "bye":
        return;
    }
  }

  private bind(
    frame: BindSubscriptionFrame | BindServiceFrame,
    bindings: Map<number, Subscription<unknown> | OfferedService>,
  ): void {
    if (frame.role === "subscription") {
      const subscription = this.subscriptions.get(frame.node);
      if (subscription === undefined) return;
      bindings.set(frame.alias, subscription);
      subscription.bound(frame);
    } else {
      const service = this.services.get(frame.node);
      if (service === undefined) return;
      bindings.set(frame.alias, service);
      service.bound(frame);
    }
    this.bindWaiters.get(frame.node)?.();
  }

  private observe(
    chars: number,
    frames: readonly Frame[],
    bindings: ReadonlyMap<number, { readonly node: string }>,
  ): void {
    this.onBlock?.(
      chars,
      frames.map((frame) => ({
        frame,
        node: "alias" in frame && frame.alias !== null ? bindings.get(frame.alias)?.node : undefined,
      })),
    );
  }

  // --- publishing -----------------------------------------------------------------------------------------------

  private flush(due: readonly OfferedService[]): void {
    if (this.link?.maySendData !== true) {
      for (const service of due) this.held.add(service);
      return;
    }
    this.sendAll(due);
  }

  private sendAll(services: readonly OfferedService[]): void {
    const { link } = this;
    if (link === undefined) return;
    const frames = services.flatMap((service) => service.take(link.maxBlockBytes));
    if (frames.length > 0) link.sendData(frames.map(({ base64 }) => base64));
  }

  /** The link can take data again. */
  private release(): void {
    if (this.held.size === 0 || this.link?.maySendData !== true) return;
    const services = [...this.held];
    this.held.clear();
    this.sendAll(services);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

import { StanzapackError, type Frame, type RowCodec } from "@stanzapack/wire";
import {
  backoffMs,
  sleep,
  xml,
  type Connection,
  type InBandBytestreams,
  type ReconnectPolicy,
  monotonicNow,
} from "@stanzapack/xmpp";
import { fitsFrame, groupAlike, resumeMany, subscribeMany, type Alike, type Resumable } from "./bulk.js";
import { toStanzapackError } from "./errors.js";
import { FrameRouter, type Holdings } from "./frame-router.js";
import { Link } from "./link.js";
import type { Granted, Negotiation } from "./negotiation.js";
import type { OfferedService } from "./offered-service.js";
import type { Subscription } from "./subscription.js";

/** Between tries to open the link, or to subscribe to a service that is not back yet; with full jitter. */
const RETRY: ReconnectPolicy = { minMs: 250, maxMs: 5_000 };
/** A link without any frame from the component for so long is asked for, in ms. */
const SILENCE_MS = 15_000;
/** How many requests restore a link at once. */
const RESTORE_CONCURRENCY = 32;

const NOTHING = Promise.resolve(undefined);

export interface LinkKeeperEvents {
  onDown(reason: StanzapackError): void;
  /** The link is back and everything on it restored. */
  onRestored(): void;
  /** The component has so many of the link's data stanzas. */
  onAcknowledged(stanzas: number): void;
  /** More data may be sent. */
  onCredit(): void;
  onBlock(
    stanzaChars: number,
    frames: readonly { readonly frame: Frame; readonly node: string | undefined }[],
  ): void;
}

/** Keeps one link to the component open for as long as the client lives, and what was on it restored. */
export class LinkKeeper {
  /** `over` rejects with its end. */
  private current:
    { readonly link: Link; readonly router: FrameRouter; readonly over: Promise<never> } | undefined;
  /** One whose HELLO has not come. */
  private opening: Link | undefined;
  private up: (() => void) | undefined;
  private upWait: Promise<void> = Promise.resolve();
  private down: (() => void) | undefined;
  private restoring: Promise<void> = Promise.resolve();
  /** What the last link had. */
  private resumable: Resumable | undefined;
  /** Those that this link restores by token, with what was refused; undefined where it was not to be. */
  private resuming: Promise<Map<Subscription<unknown>, StanzapackError> | undefined> = NOTHING;

  constructor(
    private readonly connection: Connection,
    private readonly streams: InBandBytestreams,
    private readonly negotiation: Negotiation,
    private readonly holdings: Holdings,
    private readonly codec: RowCodec,
    private readonly settings: { readonly component: string; readonly timeoutMs: number },
    private readonly events: LinkKeeperEvents,
    /** Ends the keeping. */
    private readonly signal: AbortSignal,
  ) {
    this.expect();
    signal.addEventListener("abort", () => {
      this.up?.();
      this.down?.();
    });
  }

  get link(): Link | undefined {
    return this.current?.link;
  }
  get router(): FrameRouter | undefined {
    return this.current?.router;
  }

  /** The session that the link was of is gone. */
  abandon(error: StanzapackError): void {
    (this.link ?? this.opening)?.abandon(error);
  }

  private expect(): void {
    this.upWait = new Promise((resolve) => (this.up = resolve));
  }

  /** Resolves when there is a link. Rejects with `timeout`, or `stopped`. */
  async untilUp(): Promise<void> {
    const { timeoutMs, component } = this.settings;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new StanzapackError("timeout", `no link to ${component} within ${timeoutMs} ms`)),
        timeoutMs,
      );
    });
    try {
      if (this.current === undefined) await Promise.race([this.upWait, late]);
    } finally {
      clearTimeout(timer);
    }
    if (this.signal.aborted) throw new StanzapackError("stopped", "the client is closed");
  }

  /** Opens the link. Rejects with what is wrong; does not try again. */
  async open(): Promise<void> {
    const { component, timeoutMs } = this.settings;
    const doing = `opening the link to ${component}`;
    const stream = await this.streams
      .open(component, { timeoutMs, signal: this.signal })
      .catch((error: unknown) => {
        throw toStanzapackError(error, doing);
      });
    const router: FrameRouter = new FrameRouter(this.holdings, this.codec, () => link, timeoutMs);
    let failed: ((error: StanzapackError) => void) | undefined;
    const failure = new Promise<never>((_, reject) => (failed = reject));
    failure.catch(() => undefined);
    const { subscriptions } = this.holdings;
    const link: Link = new Link(this.connection, stream, {
      /** Sooner where a subscription expects a heartbeat: when two are missing. */
      get silenceMs() {
        let ms = SILENCE_MS;
        for (const { selection } of subscriptions.values())
          ms = Math.min(ms, 2 * (selection.heartbeatMs ?? ms));
        return ms;
      },
      onFrame: (frame) => router.dispatch(frame),
      onAcknowledged: (stanzas) => this.events.onAcknowledged(stanzas),
      onCredit: () => this.events.onCredit(),
      creditDue: () => [...this.holdings.subscriptions.values()].flatMap((one) => one.takeCredit() ?? []),
      onEnd: (error) => {
        failed?.(error);
        router.requests.fail(error);
        this.ended(link, router, error);
      },
      onBlock: (chars, frames) =>
        this.events.onBlock(
          chars,
          frames.map((frame) => ({ frame, node: router.nodeOf(frame) })),
        ),
    });
    this.resuming = this.resume(router);
    // Only a hint to the component that we are here, and gone when the server says so.
    this.connection.sendElement(xml("presence", { to: component }));
    try {
      this.opening = link;
      await Promise.race([link.ready(timeoutMs), failure]);
      // Its end may have come right behind its HELLO.
      if (!link.live) await failure;
    } catch (error) {
      const reason = toStanzapackError(error, doing);
      link.abandon(reason);
      throw reason;
    } finally {
      this.opening = undefined;
    }
    this.current = { link, router, over: failure };
    this.up?.();
  }

  /** As `open`; where it is told when to come again, it does, within `timeoutMs`. */
  async openInTurn(): Promise<void> {
    const deadline = monotonicNow() + this.settings.timeoutMs;
    for (;;) {
      try {
        return await this.open();
      } catch (error) {
        const waitMs = turnOf(error);
        if (waitMs === undefined || monotonicNow() + waitMs > deadline) throw error;
        await sleep(waitMs, this.signal);
        if (this.signal.aborted) throw error;
      }
    }
  }

  /** Right after our HELLO, which the link has sent. */
  private async resume(
    router: FrameRouter,
  ): Promise<Map<Subscription<unknown>, StanzapackError> | undefined> {
    const { resumable } = this;
    this.resumable = undefined;
    const wanted = [...(resumable?.aliases.keys() ?? [])].filter(
      (subscription) =>
        subscription.resumable && this.holdings.subscriptions.get(subscription.node) === subscription,
    );
    if (resumable === undefined || wanted.length === 0) return undefined;
    try {
      return await resumeMany(router, resumable, wanted);
    } catch (error) {
      // Whatever is wrong with it, everything can be asked for again; where nobody answered, also by the same token.
      if (toStanzapackError(error, "resuming").code !== "not-resumable") this.resumable ??= resumable;
      return undefined;
    }
  }

  private ended(link: Link, router: FrameRouter, error: StanzapackError): void {
    const aliases = router.subscriptions;
    const token = link.session.peerHello?.token ?? null;
    // One that ends while it is opened may have had its subscriptions already.
    if (token !== null && aliases.size > 0) this.resumable = { token, aliases };
    for (const subscription of aliases.keys()) subscription.interrupt("disconnected");
    if (this.current?.link !== link) return;
    this.current = undefined;
    this.holdings.patterns.linkEnded();
    if (this.signal.aborted) return;
    this.expect();
    for (const subscription of this.holdings.subscriptions.values()) subscription.interrupt("disconnected");
    for (const service of this.holdings.services.values()) service.interrupt();
    this.down?.();
    this.events.onDown(error);
  }

  /** Brings the link back until the signal aborts. */
  async keep(): Promise<void> {
    let failures = 0;
    let turn: number | undefined;
    while (!this.signal.aborted) {
      if (this.current !== undefined) {
        await new Promise<void>((resolve) => (this.down = resolve));
        failures = 0;
        continue;
      }
      await sleep(turn ?? backoffMs(RETRY, failures++, Math.random()), this.signal);
      turn = undefined;
      if (this.signal.aborted) return;
      if (this.connection.state !== "online") {
        failures = 0;
        continue;
      }
      try {
        await this.open();
        this.restoring = this.restore();
        await this.restoring;
        if (this.current !== undefined) this.events.onRestored();
      } catch (error) {
        // `onDown` was told; the next try follows.
        turn = turnOf(error);
      }
    }
  }

  /** Offers a service on the link there is. */
  async establishService(service: OfferedService): Promise<void> {
    await this.bound(service, (router) =>
      router.boundAfter(
        service,
        this.negotiation.offer(service.node, service.options, service.incarnation),
        this.settings.timeoutMs,
      ),
    );
  }

  /** Subscribes on the link there is. */
  async establishSubscription(subscription: Subscription<unknown>): Promise<void> {
    const request = (router: FrameRouter): Promise<Granted> => {
      const { wanted } = subscription;
      subscription.begin(wanted.credit);
      return router.boundAfter(
        subscription,
        this.negotiation.subscribe(subscription.node, wanted),
        this.settings.timeoutMs,
      );
    };
    const granted = await this.bound(subscription, request);
    subscription.applyGrant(granted);
    if (granted.selection.heartbeatMs !== null) this.link?.watchSilence();
    if (!subscription.ended) return;
    // It was stopped while it was being made.
    this.current?.router.forget(subscription);
    // Where that fails the link is going, or it has ended there too.
    await this.negotiation.unsubscribe(subscription.node, granted.subid).catch(() => undefined);
  }

  private async bound<R>(
    target: { readonly node: string },
    request: (router: FrameRouter) => Promise<R>,
  ): Promise<R> {
    const { current } = this;
    if (current === undefined)
      throw new StanzapackError("disconnected", `the link is gone, \`${target.node}\` has to wait`);
    return request(current.router);
  }

  /** Everything again, as if for the first time. */
  private async restore(): Promise<void> {
    const { current } = this;
    if (current === undefined) return;
    await Promise.all([
      each(this.holdings.services.values(), (service) => this.restoreService(service)),
      this.restoreAll(current.router),
    ]);
    try {
      await this.holdings.patterns.restore(current.router);
    } catch (error) {
      current.link.abandon(toStanzapackError(error, "subscribing to patterns again"));
    }
  }

  /** By token as far as that goes. */
  private async restoreAll(router: FrameRouter): Promise<void> {
    const refused = await this.resuming;
    const left: Subscription<unknown>[] = [];
    const unsettled: Subscription<unknown>[] = [];
    for (const subscription of this.holdings.subscriptions.values()) {
      if (subscription.subid === "") left.push(subscription);
      else if (!subscription.settled) unsettled.push(subscription);
    }
    await this.restoreSubscriptions(left, refused);
    // What is to be in force may have changed while there was no link.
    await each(unsettled, (subscription) =>
      this.settleSubscription(subscription, router).catch((error: unknown) => {
        const failure = toStanzapackError(error, `changing \`${subscription.node}\``);
        if (!this.mayRetry(failure)) this.endSubscription(subscription, failure);
      }),
    );
  }

  private async restoreService(service: OfferedService): Promise<void> {
    try {
      await this.establishService(service);
    } catch (error) {
      const failure = toStanzapackError(error, `offering \`${service.node}\` again`);
      if (this.mayRetry(failure)) return;
      // Another session has it, which took this one's for dead meanwhile.
      const isFenced = failure.code === "conflict" && service.established;
      service.finish(
        isFenced ? new StanzapackError("fenced", failure.text, { origin: "peer", cause: failure }) : failure,
      );
    }
  }

  /** Those that are not to rest; whose service is not there is waited for. */
  private async restoreSubscriptions(
    subscriptions: readonly Subscription<unknown>[],
    refused: ReadonlyMap<Subscription<unknown>, StanzapackError> = new Map(),
  ): Promise<void> {
    const missing: Subscription<unknown>[] = [];
    const asked: Subscription<unknown>[] = [];
    for (const subscription of subscriptions) {
      const refusal = refused.get(subscription);
      // What ended as the link did is asked for anew, and what is wrong with it is told then.
      if (refusal === undefined || refusal.code === "not-subscribed") asked.push(subscription);
      else if (this.isMissing(subscription, refusal, false)) missing.push(subscription);
    }
    for (const subscription of await this.establishMany(asked, false)) missing.push(subscription);
    if (missing.length > 0) void this.waitForServices(missing, this.link);
  }

  /** What is alike by one frame, others by one request each. Gives those whose services are missing. */
  private async establishMany(
    subscriptions: readonly Subscription<unknown>[],
    isWaiting: boolean,
  ): Promise<Subscription<unknown>[]> {
    const missing: Subscription<unknown>[] = [];
    const fail = (subscription: Subscription<unknown>, error: unknown): void => {
      if (this.isMissing(subscription, error, isWaiting)) missing.push(subscription);
    };
    const active: Subscription<unknown>[] = [];
    for (const subscription of subscriptions)
      if (subscription.paused) subscription.resting();
      else active.push(subscription);
    const single: Subscription<unknown>[] = [];
    for (const alike of groupAlike(active)) {
      if (alike.subscriptions.length === 1 || !fitsFrame(alike.options))
        for (const subscription of alike.subscriptions) single.push(subscription);
      else await this.establishAlike(alike, fail);
    }
    await each(single, (subscription) =>
      this.establishSubscription(subscription).catch((error: unknown) => fail(subscription, error)),
    );
    return missing;
  }

  private async establishAlike(
    { subscriptions, options, credit }: Alike,
    fail: (subscription: Subscription<unknown>, error: unknown) => void,
  ): Promise<void> {
    const { router } = this;
    try {
      if (router === undefined) throw new StanzapackError("disconnected", "the link is gone");
      const nodes = subscriptions.map(({ node }) => node);
      for (const subscription of subscriptions) subscription.begin(credit);
      const { refused } = await subscribeMany(router, nodes, { ...options, credit });
      for (const subscription of subscriptions) {
        const error = refused.get(subscription.node);
        if (error !== undefined) fail(subscription, error);
        // Not so one that has been granted, and rests already.
        else if (subscription.subid === "" && !subscription.ended && !subscription.paused)
          fail(subscription, new StanzapackError("timeout", `no GRANT for \`${subscription.node}\``));
      }
    } catch (error) {
      for (const subscription of subscriptions) fail(subscription, error);
    }
  }

  /**
   * What it means that a subscription could not be had: its service is not there, and is looked for again; or it awaits approval, or ends, or
   * the link does. `isWaiting`: it is looked for already, and what passes is waited for too.
   */
  private isMissing(subscription: Subscription<unknown>, error: unknown, isWaiting: boolean): boolean {
    const failure = toStanzapackError(error, `subscribing to \`${subscription.node}\` again`);
    const { code } = failure;
    if (code === "no-such-service" || code === "pending") {
      // Not if a pattern, or its publisher's yes, has brought it meanwhile.
      if (subscription.isBound) return false;
      subscription.interrupt(code === "pending" ? "pending" : "waiting");
      return code !== "pending";
    }
    subscription.credit.end();
    if (isWaiting && failure.retryable) return true;
    if (isWaiting || !this.mayRetry(failure)) this.endSubscription(subscription, failure);
    return false;
  }

  /** What the publisher decided on a subscription that awaited it; `error`: it is none. */
  async decided(node: string, error: StanzapackError | undefined): Promise<void> {
    // The answer that says that it awaits comes first, though both may have come in one read.
    await sleep(0, this.signal);
    const subscription = this.holdings.subscriptions.get(node);
    if (this.current === undefined || (subscription?.subid ?? "") !== "") return;
    if (subscription !== undefined && error !== undefined) return this.endSubscription(subscription, error);
    if (error !== undefined) return;
    if (subscription !== undefined && !subscription.paused) return this.restoreSubscriptions([subscription]);
    // It was given up, or rests: the component has it nevertheless.
    await this.negotiation.unsubscribe(node, undefined).catch(() => undefined);
    subscription?.resting();
  }

  /** A passing fault ends the link, so that everything is restored from the beginning. */
  private mayRetry(failure: StanzapackError): boolean {
    if (!failure.retryable && this.current !== undefined) return false;
    this.link?.abandon(failure);
    return true;
  }

  /** Services that their publishers have not offered again yet are waited for, as long as it takes. */
  private async waitForServices(
    subscriptions: readonly Subscription<unknown>[],
    link: Link | undefined,
  ): Promise<void> {
    let missing = subscriptions;
    for (let tries = 0; missing.length > 0; tries++) {
      await sleep(backoffMs(RETRY, tries, Math.random()), this.signal);
      if (this.signal.aborted || this.link !== link) return;
      // A pattern may have brought some.
      missing = missing.filter(({ ended, subid }) => !ended && subid === "");
      missing = await this.establishMany(missing, true);
    }
  }

  /**
   * Brings what the component does with the subscriptions into line with what is to be in force now, and waits until what it
   * sent before has come. False when the link is gone, or ends over it: restoring does the rest.
   */
  async settleSubscriptions(): Promise<boolean> {
    await this.restoring;
    const { current } = this;
    if (current === undefined) return false;
    try {
      const settling = each(this.holdings.subscriptions.values(), (subscription) =>
        this.settleSubscription(subscription, current.router),
      ).then(() => current.link.barrier());
      // No answer comes over a link that is gone.
      await Promise.race([settling, current.over]);
    } catch (error) {
      const failure = toStanzapackError(error, "changing the subscriptions of an inactive client");
      if (this.link === current.link) current.link.abandon(failure);
    }
    return this.link === current.link;
  }

  private async settleSubscription(subscription: Subscription<unknown>, router: FrameRouter): Promise<void> {
    const { node, subid, paused, wantedWindowMs } = subscription;
    if (subscription.ended || subscription.settled) return;
    try {
      if (paused) {
        router.forget(subscription);
        subscription.resting();
        await this.negotiation.unsubscribe(node, subid);
      } else if (subid === "") {
        // One that is being made, or waits for its service, is made with what is to be in force.
        if (subscription.rests) await this.restoreSubscriptions([subscription]);
      } else {
        const { askedSelection } = subscription;
        subscription.applyGrant(await this.negotiation.change(node, subid, wantedWindowMs, askedSelection));
      }
    } catch (error) {
      // It ended meanwhile: its own end says why.
      if (subscription.ended) return;
      const { code } = toStanzapackError(error, `changing \`${node}\``);
      if (code !== "not-subscribed" && code !== "no-such-service") throw error;
    }
  }

  private endSubscription(subscription: Subscription<unknown>, failure: StanzapackError): void {
    this.holdings.subscriptions.delete(subscription.node);
    subscription.finish(failure);
  }
}

/** All of them, so many at once. */
async function each<T>(items: Iterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  const next = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let item = next.next(); item.done !== true; item = next.next()) await act(item.value);
  };
  await Promise.all(Array.from({ length: RESTORE_CONCURRENCY }, worker));
}

/** When one that was refused is to come again, in ms: not before it was told, and by chance a little later. */
function turnOf(error: unknown): number | undefined {
  if (!(error instanceof StanzapackError) || error.code !== "busy" || error.retryAfterMs === undefined)
    return undefined;
  return error.retryAfterMs + Math.random() * Math.min(200, error.retryAfterMs / 10);
}

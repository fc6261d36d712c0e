import { StanzapackError, type Selection } from "@stanzapack/wire";
import { monotonicNow, backoffMs, sleep, type ReconnectPolicy } from "@stanzapack/xmpp";
import { fitsFrame, groupAlike, resumeMany, subscribeMany, type Alike, type Resumable } from "./bulk.js";
import { toStanzapackError } from "../base/errors.js";
import type { FrameRouter, Holdings } from "./frame-router.js";
import type { LinkEnd } from "../link/link-end.js";
import type { Link } from "../link/link.js";
import type { Granted, Negotiation } from "../negotiation/negotiation.js";
import type { ConfigureOptions } from "../options/offer-options.js";
import type { OfferedService } from "../publish/offered-service.js";
import type { SharedSubscription } from "../subscribe/shared-subscription.js";

/** Between tries to open the link, or to have what is not to be had yet; with full jitter. */
export const RETRY: ReconnectPolicy = { minMs: 250, maxMs: 5_000 };
/** How many requests restore a link at once. */
const RESTORE_CONCURRENCY = 32;

const NOTHING = Promise.resolve(undefined);

type Target = SharedSubscription | OfferedService;

/** The link there is, and its end. */
export interface CurrentLink {
  readonly link: Link;
  readonly router: FrameRouter;
  readonly over: LinkEnd;
}

/** Links, as they come and go. */
export interface Links {
  readonly current: CurrentLink | undefined;
  /** Whether there is a stream; without, the link may still live, where the server keeps its session. */
  readonly reachable: boolean;
  /** Resolves with the link, when there is one and a stream that carries it. Rejects with `timeout`, or `stopped`. */
  untilUp(timeoutMs?: number): Promise<CurrentLink>;
}

/**
 * What the client has on its links: made once on each, by whoever asks for it first, and restored on the next. What fails for a while is
 * asked for again, with backoff; what fails for good ends, and its end tells why.
 */
export class Restoration {
  /** Their makers ask for them, on every link until there is an answer. */
  private readonly making = new Set<Target>();
  /** Requests under way, and the link that each was made on. */
  private readonly asking = new Map<Target, { readonly link: Link; readonly answer: Promise<void> }>();
  /** Services that were stopped without a link, by node. */
  private readonly stopped = new Map<string, OfferedService>();
  private readonly withdrawing = new Map<string, Promise<void>>();
  /** Nodes that a frame gives back, which an iq could overtake. */
  private readonly leaving = new Map<string, Promise<void>>();
  /** What the last link had. */
  private resumable: Resumable | undefined;
  /** Those that this link restores by token, with what was refused; undefined where it was not to be. */
  private resuming: Promise<Map<SharedSubscription, StanzapackError> | undefined> = NOTHING;
  private restoring: Promise<void> = Promise.resolve();

  constructor(
    private readonly links: Links,
    private readonly negotiation: Negotiation,
    private readonly holdings: Holdings,
    private readonly timeoutMs: number,
    /** Ends it. */
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Carries out what the application asks for: once on the link there is, or on the next one, and where that ends before the answer
   * on the one after, or where the stream is gone, when it is back. It waits for links `timeoutMs` in all. `targets` are not restored meanwhile.
   */
  async make<R>(targets: readonly Target[], ask: (current: CurrentLink) => Promise<R>): Promise<R> {
    const until = monotonicNow() + this.timeoutMs;
    for (const target of targets) this.making.add(target);
    try {
      for (;;) {
        const current = await this.links.untilUp(until - monotonicNow());
        try {
          return await onLink(current, ask(current));
        } catch (error) {
          await this.examine(current, toStanzapackError(error, "asking the component"));
          if ((current.link.live && this.links.reachable) || monotonicNow() > until) throw error;
        }
      }
    } finally {
      for (const target of targets) this.making.delete(target);
    }
  }

  /** Where the answer says that the component may not have the link any more, it is looked whether it does. */
  private async examine({ link }: CurrentLink, { code, text }: StanzapackError): Promise<void> {
    if (code === "link-required") link.abandon(new StanzapackError("disconnected", text, { origin: "peer" }));
    if (code === "component-unavailable") await link.ask();
  }

  /** Right after our HELLO, which the link has sent. */
  begin(router: FrameRouter): void {
    this.resuming = this.resume(router);
  }

  private async resume(router: FrameRouter): Promise<Map<SharedSubscription, StanzapackError> | undefined> {
    const { resumable } = this;
    this.resumable = undefined;
    const wanted = [...(resumable?.aliases.keys() ?? [])].filter(
      (subscription) =>
        subscription.resumable &&
        !this.making.has(subscription) &&
        this.holdings.subscriptions.get(subscription.node) === subscription,
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

  /** A link has ended, before it was open or after. */
  ended(link: Link, router: FrameRouter): void {
    const aliases = router.subscriptions;
    const token = link.session.peerHello?.token ?? null;
    // One that ends while it is opened may have had its subscriptions already.
    if (token !== null && aliases.size > 0) this.resumable = { token, aliases };
  }

  /** Everything again on a new link, as if for the first time. Resolves when it was asked for once. */
  restore(current: CurrentLink): Promise<void> {
    return (this.restoring = this.restoreNow(current));
  }

  private async restoreNow(current: CurrentLink): Promise<void> {
    const services = [...this.holdings.services.values()].filter((service) => !this.making.has(service));
    const patterns = this.holdings.patterns;
    await Promise.all([
      each([...this.stopped.keys()], (node) => this.withdrawStopped(node, current)),
      each(services, (service) => this.restoreService(service, current)),
      this.restoreAll(current),
    ]);
    await this.persist(
      current,
      "subscribing to patterns again",
      () => patterns.restore(current.router),
      // Each was told.
      () => undefined,
    );
  }

  /** By token as far as that goes. */
  private async restoreAll(current: CurrentLink): Promise<void> {
    const refused = await this.resuming;
    const left: SharedSubscription[] = [];
    const unsettled: SharedSubscription[] = [];
    for (const subscription of this.holdings.subscriptions.values()) {
      if (this.making.has(subscription)) continue;
      if (subscription.subid === "") left.push(subscription);
      else if (!subscription.settled) unsettled.push(subscription);
    }
    await this.restoreSubscriptions(left, current, refused);
    // What is to be in force may have changed while there was no link.
    await each(unsettled, (subscription) => this.settle(subscription, current));
  }

  /**
   * Tries until it succeeds, fails for good, or the link ends; resolves after the first try. What fails for a while says nothing of the
   * link: everything else on it goes on.
   */
  private async persist(
    current: CurrentLink,
    doing: string,
    act: () => Promise<void>,
    onFinal: (failure: StanzapackError) => void,
    tries = 0,
  ): Promise<void> {
    try {
      await onLink(current, act());
    } catch (error) {
      const failure = toStanzapackError(error, doing);
      if (!current.link.live) return;
      if (!this.mayPass(current, failure)) return onFinal(failure);
      const again = async (): Promise<void> => {
        await sleep(pauseMs(failure.retryAfterMs, tries), this.signal);
        if (current.link.live) await this.persist(current, doing, act, onFinal, tries + 1);
      };
      void again();
    }
  }

  /** Whether it is worth another try. */
  private mayPass(current: CurrentLink, failure: StanzapackError): boolean {
    if (failure.code === "timeout") void current.link.ask();
    void this.examine(current, failure);
    return failure.retryable;
  }

  /** Asks once a link, whoever else wants it. */
  private once(
    target: Target,
    act: (current: CurrentLink) => Promise<void>,
    current = this.links.current,
  ): Promise<void> {
    if (current === undefined || current !== this.links.current)
      return Promise.reject(
        new StanzapackError("disconnected", `the link is gone, \`${target.node}\` has to wait`),
      );
    const before = this.asking.get(target);
    if (before?.link === current.link) return before.answer;
    const answer = onLink(current, act(current)).finally(() => {
      if (this.asking.get(target) === asked) this.asking.delete(target);
    });
    const asked = { link: current.link, answer };
    this.asking.set(target, asked);
    return answer;
  }

  /** Resolves when nothing of it is asked any more. */
  private async answered(target: Target): Promise<void> {
    await this.asking.get(target)?.answer.catch(() => undefined);
  }

  /** Offers a service on the link there is. */
  establishService(service: OfferedService): Promise<void> {
    return this.once(service, async (current) => {
      await this.withdrawStopped(service.node, current);
      const offered = this.negotiation.offer(service.node, service.options, service.incarnation);
      await current.router.boundAfter(service, offered, this.timeoutMs);
    });
  }

  private restoreService(service: OfferedService, current: CurrentLink): Promise<void> {
    return this.persist(
      current,
      `offering \`${service.node}\` again`,
      async () => {
        if (!service.ended) await this.establishService(service);
      },
      (failure) => {
        // Another session has it, which took this one's for dead meanwhile.
        const isFenced = failure.code === "conflict" && service.established;
        service.finish(
          isFenced
            ? new StanzapackError("fenced", failure.text, { origin: "peer", cause: failure })
            : failure,
        );
      },
    );
  }

  /** At once without a link, and where it ends meanwhile: the next offer says it. */
  async configure(service: OfferedService, options: ConfigureOptions): Promise<void> {
    await this.answered(service);
    const { current } = this.links;
    if (current === undefined || !service.isBound) return;
    try {
      await onLink(current, this.negotiation.configure(service.node, options));
    } catch (error) {
      if (current.link.live) throw error;
    }
  }

  revoke(service: OfferedService, jid: string): Promise<void> {
    return this.make([], async (current) => {
      await this.answered(service);
      await onLink(current, this.negotiation.revoke(service.node, jid));
    });
  }

  /** Of a service that has ended. Without a link it is done on the next. One of the same name is offered after it. */
  withdraw(service: OfferedService): Promise<void> {
    const { node } = service;
    const done = this.withdrawNow(service);
    const over = done
      .catch(() => undefined)
      .finally(() => {
        if (this.withdrawing.get(node) === over) this.withdrawing.delete(node);
      });
    this.withdrawing.set(node, over);
    return done;
  }

  private async withdrawNow(service: OfferedService): Promise<void> {
    await this.answered(service);
    const { current } = this.links;
    if (current === undefined) {
      if (service.established) this.stopped.set(service.node, service);
      return;
    }
    try {
      await onLink(current, this.negotiation.withdraw(service.node));
    } catch (error) {
      if (!current.link.live) this.stopped.set(service.node, service);
      // The component began anew, and the service was not offered again yet.
      else if (toStanzapackError(error, "withdrawing").code !== "no-such-service") throw error;
    }
  }

  /** It was offered, and given up before the component had it: withdrawn, unless that is under way. */
  giveUp(node: string): void {
    // Where that fails the link is going, or another session has it meanwhile.
    if (!this.withdrawing.has(node)) this.negotiation.withdraw(node).catch(() => undefined);
  }

  private withdrawStopped(node: string, current: CurrentLink): Promise<void> {
    const service = this.stopped.get(node);
    if (service === undefined) return this.withdrawing.get(node) ?? NOTHING;
    this.stopped.delete(node);
    const done = (async () => {
      try {
        // Another session may have it by now, and keeps it then: `conflict`.
        const options = { ...service.options, takeOver: false };
        await onLink(current, this.negotiation.offer(node, options, service.incarnation));
        await onLink(current, this.negotiation.withdraw(node));
      } catch {
        if (!current.link.live) this.stopped.set(node, service);
      } finally {
        this.withdrawing.delete(node);
      }
    })();
    this.withdrawing.set(node, done);
    return done;
  }

  /** Subscribes on the link there is. */
  establishSubscription(subscription: SharedSubscription, on = this.links.current): Promise<void> {
    const establish = async (current: CurrentLink): Promise<void> => {
      const { router, link } = current;
      await this.leaving.get(subscription.node);
      const { wanted } = subscription;
      subscription.begin(wanted.credit);
      try {
        const asked = this.negotiation.subscribe(subscription.node, wanted);
        const granted = await onLink(current, router.boundAfter(subscription, asked, this.timeoutMs));
        subscription.applyGrant(granted);
      } catch (error) {
        // Nobody waits for what the component may have made of it.
        if (link.live && subscription.ended) router.giveUp(subscription);
        throw error;
      }
      if (subscription.selection.heartbeatMs !== null) link.watchSilence();
      // It was stopped while it was being made.
      if (subscription.ended) router.giveUp(subscription);
      else if (asksOtherwise(subscription, wanted)) await this.settleNow(subscription, current);
    };
    return this.once(subscription, establish, on);
  }

  /** A frame gives them back: who subscribes to one of them anew does so after it. */
  leave(subscriptions: readonly SharedSubscription[], done: Promise<unknown>): void {
    const over = done.then(
      () => undefined,
      () => undefined,
    );
    for (const { node } of subscriptions) this.leaving.set(node, over);
    void over.then(() => {
      for (const { node } of subscriptions) if (this.leaving.get(node) === over) this.leaving.delete(node);
    });
  }

  /** The client has it no longer. At once without a link, or where it was not granted yet: it is given back when it is. */
  async unsubscribe(subscription: SharedSubscription): Promise<void> {
    const { node, subid, pending } = subscription;
    const { current } = this.links;
    if (current === undefined) return;
    if (subid === "" && !pending) {
      if (!this.asking.has(subscription)) current.router.giveUp(subscription);
      return;
    }
    current.router.forget(subscription);
    try {
      await onLink(current, this.negotiation.unsubscribe(node, pending ? undefined : subid));
    } catch (error) {
      // Ended either way: with its link, or by the other side first.
      const { code } = toStanzapackError(error, "stopping");
      if (current.link.live && (code === "internal" || code === "protocol")) throw error;
    }
  }

  /** Changes the options of one that the component has. Rejects also when the link ends. */
  change(subscription: SharedSubscription, windowMs: number, selection: Selection): Promise<Granted> {
    const { current } = this.links;
    const { node, subid } = subscription;
    const request = this.negotiation.change(node, subid, windowMs, selection);
    return current === undefined ? request : onLink(current, request);
  }

  /** Those that are not to rest; whose service is not there is waited for. */
  private async restoreSubscriptions(
    subscriptions: readonly SharedSubscription[],
    current: CurrentLink,
    refused: ReadonlyMap<SharedSubscription, StanzapackError> = new Map(),
  ): Promise<void> {
    const later: SharedSubscription[] = [];
    const asked: SharedSubscription[] = [];
    for (const subscription of subscriptions) {
      const refusal = refused.get(subscription);
      // What ended as the link did is asked for anew, and what is wrong with it is told then.
      if (refusal === undefined || refusal.code === "not-subscribed") asked.push(subscription);
      else if (this.comesLater(subscription, refusal, current)) later.push(subscription);
    }
    const { afterMs, ...more } = await this.establishMany(asked, current);
    for (const subscription of more.later) later.push(subscription);
    if (later.length > 0) void this.waitFor(later, current, afterMs);
  }

  /** What is alike by one frame, others by one request each. Gives those to be asked for later, and after how many ms at least. */
  private async establishMany(
    subscriptions: readonly SharedSubscription[],
    current: CurrentLink,
  ): Promise<{ readonly later: SharedSubscription[]; readonly afterMs: number | undefined }> {
    const later: SharedSubscription[] = [];
    let afterMs: number | undefined;
    const fail = (subscription: SharedSubscription, error: unknown): void => {
      if (!this.comesLater(subscription, error, current)) return;
      later.push(subscription);
      if (error instanceof StanzapackError && error.retryAfterMs !== undefined)
        afterMs = Math.max(afterMs ?? 0, error.retryAfterMs);
    };
    const single: SharedSubscription[] = [];
    const alone: SharedSubscription[] = [];
    for (const subscription of subscriptions)
      if (subscription.paused) subscription.resting();
      else if (this.asking.get(subscription)?.link === current.link) single.push(subscription);
      else alone.push(subscription);
    for (const alike of groupAlike(alone)) {
      if (alike.subscriptions.length === 1 || !fitsFrame(alike.options))
        for (const subscription of alike.subscriptions) single.push(subscription);
      else await this.establishAlike(alike, current, fail);
    }
    await each(single, (subscription) =>
      this.establishSubscription(subscription, current).catch((error: unknown) => fail(subscription, error)),
    );
    return { later, afterMs };
  }

  private async establishAlike(
    { subscriptions, options, credit }: Alike,
    current: CurrentLink,
    fail: (subscription: SharedSubscription, error: unknown) => void,
  ): Promise<void> {
    const nodes = subscriptions.map(({ node }) => node);
    for (const subscription of subscriptions) subscription.begin(credit);
    const request = onLink(current, subscribeMany(current.router, nodes, { ...options, credit }));
    const answers = subscriptions.map((subscription) => {
      const settle = async (): Promise<void> => {
        const error = (await request).refused.get(subscription.node);
        if (error !== undefined) throw error;
        // Not so one that has been granted, and rests already.
        if (subscription.subid === "" && !subscription.ended && !subscription.paused)
          throw new StanzapackError("timeout", `no GRANT for \`${subscription.node}\``);
        if (!subscription.ended && asksOtherwise(subscription, options))
          await this.settleNow(subscription, current);
      };
      return this.once(subscription, settle, current).catch((error: unknown) => fail(subscription, error));
    });
    await Promise.all(answers);
  }

  /**
   * What it means that a subscription could not be had. True: it is asked for again on this link, because its service is not there or a
   * fault may pass. Otherwise it awaits approval, or the next link, or has ended.
   */
  private comesLater(subscription: SharedSubscription, error: unknown, current: CurrentLink): boolean {
    const failure = toStanzapackError(error, `subscribing to \`${subscription.node}\` again`);
    const { code } = failure;
    if (subscription.ended || !current.link.live) return false;
    if (code === "no-such-service" || code === "pending") {
      // Not if a pattern, or its publisher's yes, has brought it meanwhile.
      if (subscription.isBound) return false;
      subscription.interrupt(code === "pending" ? "pending" : "waiting");
      return code !== "pending";
    }
    subscription.credit.end();
    const passes = this.mayPass(current, failure);
    if (!passes) this.endSubscription(subscription, failure);
    else if (!subscription.isBound) subscription.interrupt("waiting");
    return passes && current.link.live;
  }

  /** As long as it takes, and the link lasts. */
  private async waitFor(
    subscriptions: readonly SharedSubscription[],
    current: CurrentLink,
    firstMs: number | undefined,
  ): Promise<void> {
    let missing = subscriptions;
    let afterMs = firstMs;
    for (let tries = 0; missing.length > 0; tries++) {
      await sleep(pauseMs(afterMs, tries), this.signal);
      if (this.signal.aborted || !current.link.live) return;
      // A pattern, or a decision, may have brought some.
      missing = missing.filter(({ ended, subid, pending }) => !ended && !pending && subid === "");
      ({ later: missing, afterMs } = await this.establishMany(missing, current));
    }
  }

  /** What the publisher decided on a subscription that awaited it; `error`: it is none. */
  async decided(node: string, error: StanzapackError | undefined): Promise<void> {
    // The answer that says that it awaits comes first, though both may have come in one read.
    await sleep(0, this.signal);
    const { current } = this.links;
    const subscription = this.holdings.subscriptions.get(node);
    if (current === undefined || (subscription?.subid ?? "") !== "") return;
    if (subscription !== undefined && error !== undefined) return this.endSubscription(subscription, error);
    if (error !== undefined) return;
    if (subscription !== undefined && !subscription.paused)
      return this.restoreSubscriptions([subscription], current);
    // It was given up, or rests: the component has it nevertheless.
    await this.negotiation.unsubscribe(node, undefined).catch(() => undefined);
    subscription?.resting();
  }

  /**
   * Brings what the component does with the subscriptions into line with what is to be in force now, and waits until what it
   * sent before has come. False when the link is gone, or ends over it: restoring does the rest.
   */
  async settleAll(): Promise<boolean> {
    await this.restoring;
    const { current } = this.links;
    if (current === undefined) return false;
    try {
      const settling = each(this.holdings.subscriptions.values(), (subscription) =>
        this.settle(subscription, current),
      ).then(() => current.link.barrier());
      // No answer comes over a link that is gone.
      await onLink(current, settling);
    } catch (error) {
      current.link.end(toStanzapackError(error, "changing the subscriptions of an inactive client"));
    }
    return current.link.live;
  }

  private settle(subscription: SharedSubscription, current: CurrentLink): Promise<void> {
    return this.persist(
      current,
      `changing \`${subscription.node}\``,
      async () => {
        await this.answered(subscription);
        await this.settleNow(subscription, current);
      },
      (failure) => this.endSubscription(subscription, failure),
    );
  }

  private async settleNow(subscription: SharedSubscription, current: CurrentLink): Promise<void> {
    const { node, subid, paused, wantedWindowMs } = subscription;
    if (subscription.ended || subscription.settled) return;
    try {
      if (paused) {
        current.router.forget(subscription);
        subscription.resting();
        await this.negotiation.unsubscribe(node, subid);
      } else if (subid === "") {
        // One that is being made, or waits for its service, is made with what is to be in force.
        if (subscription.rests) await this.restoreSubscriptions([subscription], current);
      } else {
        const { askedSelection } = subscription;
        const granted = await this.negotiation.change(node, subid, wantedWindowMs, askedSelection);
        // Of another link it says nothing.
        if (current.link.live && subscription.subid === subid) subscription.applyGrant(granted);
      }
    } catch (error) {
      // It ended meanwhile: its own end says why.
      if (subscription.ended) return;
      const { code } = toStanzapackError(error, `changing \`${node}\``);
      if (code !== "not-subscribed" && code !== "no-such-service") throw error;
    }
  }

  private endSubscription(subscription: SharedSubscription, failure: StanzapackError): void {
    if (this.holdings.subscriptions.get(subscription.node) === subscription)
      this.holdings.subscriptions.delete(subscription.node);
    subscription.finish(failure);
  }
}

/** The answer, unless the link ends first: on a link that is gone it means nothing. */
export function onLink<R>(current: CurrentLink, request: Promise<R>): Promise<R> {
  return current.over.unless(request);
}

/** What is to be in force changed while this was asked for. */
function asksOtherwise(
  { wantedWindowMs, askedSelection, paused }: SharedSubscription,
  { windowMs, selection }: { readonly windowMs: number; readonly selection: unknown },
): boolean {
  return paused || wantedWindowMs !== windowMs || askedSelection !== selection;
}

/** All of them, so many at once. */
async function each<T>(items: Iterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  const next = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let item = next.next(); item.done !== true; item = next.next()) await act(item.value);
  };
  await Promise.all(Array.from({ length: RESTORE_CONCURRENCY }, worker));
}

/** Before the next try, in ms: not before the time that was told, and by chance a little later. */
function pauseMs(retryAfterMs: number | undefined, tries: number): number {
  const backoff = backoffMs(RETRY, tries, Math.random());
  return retryAfterMs === undefined
    ? backoff
    : retryAfterMs + Math.random() * Math.min(200, retryAfterMs / 10) + backoff;
}

import {
  DataReader,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  fromOptionFields,
  readSnapshot,
  StanzapackError,
  type BindServiceFrame,
  type BindSubscriptionFrame,
  type Frame,
  type GrantFrame,
  type OptionFields,
  type RowCodec,
} from "@stanzapack/wire";
import { deadline } from "@stanzapack/xmpp";
import { LinkCalls, type CallLink } from "../link/link-calls.js";
import { ALIAS_BYTES, inFrames, LinkRequests, type RequestLink } from "../link/link-requests.js";
import { grantedOptions } from "../negotiation/negotiation.js";
import { OfferedService } from "../publish/offered-service.js";
import type { LinkPeer } from "../publish/service-host.js";
import type { CheckLink } from "../subscribe/map-check.js";
import { SharedSubscription } from "../subscribe/shared-subscription.js";

/** A subscription or a service, which an alias of a link may name. */
export type Target = SharedSubscription | OfferedService;

/** Services and subscriptions of the client, by node. */
export interface Holdings {
  readonly services: Map<string, OfferedService>;
  readonly subscriptions: Map<string, SharedSubscription>;
  readonly patterns: PatternHolder;
  /** The component has bound a service that nobody here offers: its offer was given up before the answer came. */
  unwanted(node: string): void;
  /** The component takes no updates of the service for a while. */
  delayed(service: OfferedService, error: StanzapackError): void;
}

/** The part that takes subscriptions which the component adds for a pattern. */
export interface PatternHolder {
  /** The link has ended, and its patterns with it. */
  linkEnded(): void;
  /** The component bound a node that no request named. Returns its subscription. Undefined: no group wants it. */
  adopt(node: string): SharedSubscription | undefined;
  /** Takes such a node. Returns the first credit of its subscription, in rows, from the options of its group. */
  creditOf(node: string): number;
  /** The component granted such a subscription. */
  adopted(subscription: SharedSubscription): void;
  /** The component refused a service that a pattern of this request found later. */
  refused(request: number, error: StanzapackError): void;
  /** Subscribes to the patterns again, on a new link on which everything else is restored. */
  restore(router: FrameRouter): Promise<void>;
}

/** The aliases of one link. It passes each frame to the target of its alias. Every link has a new router. */
export class FrameRouter {
  readonly requests: LinkRequests;
  private readonly calls: LinkCalls;
  private readonly targets = new Map<number, Target>();
  private readonly aliases = new Map<Target, number>();
  /** `subid` of each subscription, from its BIND, by alias. */
  private readonly subids = new Map<number, string>();
  /** Aliases that were bound for a pattern, and are not granted yet. */
  private readonly adopted = new Set<number>();
  /** Aliases that were bound, but that nobody wants. One frame gives back all of one turn. */
  private returning: { readonly aliases: number[]; readonly done: Promise<unknown> } | undefined;
  private readonly readers = new Map<number, DataReader>();
  /** Calls that wait for the BIND of a target. */
  private readonly waiters = new Map<Target, Set<() => void>>();

  constructor(
    private readonly holdings: Holdings,
    private readonly codec: RowCodec,
    /** Returns the link. The HELLO of the component arrives before any BIND. */
    private readonly peer: () => LinkPeer & RequestLink & CallLink & CheckLink & { watchSilence(): void },
    timeoutMs: number,
  ) {
    this.calls = new LinkCalls(peer);
    this.requests = new LinkRequests(peer, timeoutMs, (request, error) =>
      holdings.patterns.refused(request, error),
    );
  }

  aliasOf(target: Target): number | undefined {
    return this.aliases.get(target);
  }

  nodeOf(frame: Frame): string | undefined {
    return "alias" in frame && frame.alias !== null ? this.targets.get(frame.alias)?.node : undefined;
  }

  dispatch(frame: Frame): void {
    switch (frame.type) {
      case "bind":
        return this.bind(frame);
      case "data":
      case "coded": {
        const target = this.targets.get(frame.alias);
        // Data of a subscription that was just stopped may still arrive.
        if (!(target instanceof SharedSubscription)) return;
        // Frames arrive in order and without a hole: otherwise IBB would have ended the link.
        const batch = this.readers.get(frame.alias)?.read(frame, true, this.peer().session.budget);
        if (batch !== undefined) target.deliver(batch);
        return;
      }
      case "snapshot": {
        const target = this.targets.get(frame.alias);
        if (!(target instanceof SharedSubscription)) return;
        const { budget } = this.peer().session;
        return target.deliverSnapshot(
          frame,
          readSnapshot(frame, DEFAULT_LIMITS, DEFAULT_CODEC_LIMITS, budget),
        );
      }
      case "digest": {
        const target = this.targets.get(frame.alias);
        if (target instanceof SharedSubscription) target.check.onDigest(frame);
        return;
      }
      case "repair": {
        const target = this.targets.get(frame.alias);
        if (!(target instanceof SharedSubscription) || frame.role === "request") return;
        const { budget } = this.peer().session;
        const range = { ...frame, from: 1, to: frame.position };
        const entries = readSnapshot(range, DEFAULT_LIMITS, DEFAULT_CODEC_LIMITS, budget);
        return target.deliverRepair(frame, entries);
      }
      case "demand": {
        const target = this.targets.get(frame.alias);
        if (target instanceof OfferedService)
          target.setDemand({ subscribers: frame.subscribers, windowMs: frame.windowMs });
        return;
      }
      case "kept": {
        const target = this.targets.get(frame.alias);
        if (target instanceof OfferedService) target.kept(frame.incarnation, frame.sequence);
        return;
      }
      case "status": {
        const target = this.targets.get(frame.alias);
        if (target instanceof SharedSubscription) target.publisherIs(frame.status, frame.windowMs);
        return;
      }
      case "error": {
        const target = frame.alias === null ? undefined : this.targets.get(frame.alias);
        if (target === undefined) return;
        this.release(frame.alias as number);
        const retryAfter = frame.retryAfterMs === null ? {} : { retryAfterMs: frame.retryAfterMs };
        const error = new StanzapackError(frame.code, frame.text, { origin: "peer", ...retryAfter });
        if (target instanceof SharedSubscription) this.holdings.subscriptions.delete(target.node);
        else if (error.retryable && frame.retryAfterMs !== null) return this.holdings.delayed(target, error);
        target.finish(error);
        return;
      }
      case "call": {
        const target = this.targets.get(frame.alias);
        if (target instanceof OfferedService)
          target.calls.take(frame, (outcome) => this.calls.answer(frame.call, outcome));
        return;
      }
      case "result":
        return this.calls.onResult(frame);
      case "grant":
        this.grant(frame);
        return this.requests.onAnswer(frame);
      case "refused":
      case "done":
        return this.requests.onAnswer(frame);
      case "hello":
      case "nodes":
      case "envelope":
      case "ack":
      case "credit":
      case "bye":
      case "subscribe":
      case "change":
      case "resume":
        return;
    }
  }

  /** Every subscription bound, with its alias. */
  get subscriptions(): Map<SharedSubscription, number> {
    const bound = new Map<SharedSubscription, number>();
    for (const [target, alias] of this.aliases)
      if (target instanceof SharedSubscription) bound.set(target, alias);
    return bound;
  }

  private grant({ aliases, options, positions }: GrantFrame): void {
    const inForce = readGranted(options);
    if (inForce === undefined) return;
    if (inForce.selection.heartbeatMs !== null) this.peer().watchSilence();
    for (const [i, alias] of aliases.entries()) {
      const target = this.targets.get(alias);
      const subid = this.subids.get(alias);
      if (!(target instanceof SharedSubscription) || subid === undefined) continue;
      if (target.ended) {
        // It was stopped while it was being made.
        this.release(alias);
        void this.giveBack(alias);
        continue;
      }
      const begun = positions?.[i];
      const recovered = begun?.recovered ?? null;
      target.applyGrant({
        ...{ subid, ...inForce },
        ...(begun === undefined ? {} : { begun }),
        ...(recovered === null ? {} : { recovered }),
      });
      if (this.adopted.delete(alias)) this.holdings.patterns.adopted(target);
    }
  }

  /** Releases the alias of a target. Frames that still arrive for it have no effect. */
  forget(target: Target): void {
    const alias = this.aliases.get(target);
    if (alias !== undefined) this.release(alias);
  }

  /**
   * Gives back a subscription that the component has bound, and that nobody wants. Resolves when the component has
   * answered. Rejects as `LinkRequests.ask` does. Nobody needs to handle the rejection.
   */
  giveUp(target: SharedSubscription): Promise<unknown> {
    const alias = this.aliases.get(target);
    if (alias === undefined) return Promise.resolve();
    this.tellTaken(target);
    this.release(alias);
    return this.giveBack(alias);
  }

  /** Tells the component what the program has taken of a subscription that ends. */
  tellTaken(target: SharedSubscription): void {
    const frame = this.aliases.has(target) ? target.takenCredit() : undefined;
    if (frame !== undefined) this.peer().sendFrame(frame);
  }

  private release(alias: number): void {
    const target = this.targets.get(alias);
    if (target !== undefined && this.aliases.get(target) === alias) this.aliases.delete(target);
    this.targets.delete(alias);
    this.readers.delete(alias);
    this.subids.delete(alias);
    this.adopted.delete(alias);
  }

  private bindTo(alias: number, target: Target): void {
    this.forget(target);
    this.targets.set(alias, target);
    this.aliases.set(target, alias);
  }

  /** Gives an alias back, together with the others of this turn. Settles as `giveUp`. */
  private giveBack(alias: number): Promise<unknown> {
    if (this.returning === undefined) {
      const aliases: number[] = [];
      const done = Promise.resolve().then(() => {
        this.returning = undefined;
        const lists = inFrames(aliases, this.requests.room(0), () => ALIAS_BYTES);
        const give = (list: number[]): Promise<unknown> =>
          this.requests.ask({ type: "change", aliases: list, patterns: [], options: null });
        return Promise.all(lists.map(give));
      });
      // If the request fails, the link is ending.
      done.catch(() => undefined);
      this.returning = { aliases, done };
    }
    this.returning.aliases.push(alias);
    return this.returning.done;
  }

  private bind(frame: BindSubscriptionFrame | BindServiceFrame): void {
    if (frame.role === "subscription") {
      const known = this.holdings.subscriptions.get(frame.node);
      const subscription = known ?? this.holdings.patterns.adopt(frame.node);
      if (subscription === undefined || (known !== undefined && comesByItself(known, frame)))
        return void this.giveBack(frame.alias);
      if (!subscription.credit.asked) subscription.begin(this.holdings.patterns.creditOf(frame.node));
      this.bindTo(frame.alias, subscription);
      this.subids.set(frame.alias, frame.subid);
      if (known === undefined) this.adopted.add(frame.alias);
      this.readers.set(frame.alias, new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, this.codec));
      subscription.bound(frame);
      subscription.calls.onBound(this.calls, frame.alias);
      subscription.check.onBound(this.peer(), frame);
      this.tellBound(subscription);
    } else {
      const service = this.holdings.services.get(frame.node);
      if (service === undefined) return this.holdings.unwanted(frame.node);
      // The BIND is for an earlier service of the same name.
      if (service.incarnation !== frame.incarnation) return;
      this.bindTo(frame.alias, service);
      service.bound(frame, this.peer());
      this.tellBound(service);
    }
  }

  private tellBound(target: Target): void {
    for (const tell of this.waiters.get(target) ?? []) tell();
  }

  /** Waits for the answer to a request, and for its BIND, in either order. Rejects with `timeout` without a BIND. */
  async boundAfter<R>(target: Target, request: Promise<R>, timeoutMs: number): Promise<R> {
    let cancel: (() => void) | undefined;
    let tell: (() => void) | undefined;
    const waiters = this.waiters.get(target) ?? new Set();
    this.waiters.set(target, waiters);
    const bound = new Promise<void>((resolve, reject) => {
      waiters.add((tell = resolve));
      cancel = deadline(timeoutMs, () =>
        reject(new StanzapackError("timeout", `no BIND for \`${target.node}\` within ${timeoutMs} ms`)),
      );
    });
    bound.catch(() => undefined);
    try {
      const result = await request;
      // The component binds a target only once on a link.
      if (!this.aliases.has(target)) await bound;
      return result;
    } finally {
      cancel?.();
      if (tell !== undefined) waiters.delete(tell);
      if (waiters.size === 0) this.waiters.delete(target);
    }
  }
}

/**
 * Whether the client gives back a known subscription that a pattern has bound. A paused one must rest. A log or a map
 * for which the client has not asked yet is asked for later, from its own position.
 */
function comesByItself(known: SharedSubscription, { kind }: BindSubscriptionFrame): boolean {
  return (known.rests && known.paused) || (kind !== "value" && !known.credit.asked);
}

/** Returns undefined if the options cannot be read. Then they grant nothing. */
function readGranted(options: OptionFields): ReturnType<typeof grantedOptions> {
  try {
    return grantedOptions(fromOptionFields(options));
  } catch {
    return undefined;
  }
}

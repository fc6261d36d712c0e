import {
  DataReader,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  StanzapackError,
  type BindServiceFrame,
  type BindSubscriptionFrame,
  type Frame,
  type RowCodec,
} from "@stanzapack/wire";
import { OfferedService, type LinkPeer } from "./offered-service.js";
import { Subscription } from "./subscription.js";

type Target = Subscription<unknown> | OfferedService;

/** What the client has, by node id. */
export interface Holdings {
  readonly services: Map<string, OfferedService>;
  readonly subscriptions: Map<string, Subscription<unknown>>;
}

/** Aliases of one link, and what to do with the frames that name them. Made anew with every link. */
export class FrameRouter {
  private readonly targets = new Map<number, Target>();
  private readonly readers = new Map<number, DataReader>();
  private readonly waiters = new Map<string, () => void>();

  constructor(
    private readonly holdings: Holdings,
    private readonly codec: RowCodec,
    /** What the component's HELLO said; it came before any BIND. */
    private readonly peer: () => LinkPeer,
  ) {}

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
        // Data of a subscription just stopped may still be on its way.
        if (!(target instanceof Subscription)) return;
        // In order and without a hole: IBB ended the link otherwise.
        const batch = this.readers.get(frame.alias)?.read(frame, true, this.peer().session.budget);
        if (batch !== undefined) target.deliver(batch);
        return;
      }
      case "demand": {
        const target = this.targets.get(frame.alias);
        if (target instanceof OfferedService)
          target.setDemand({ subscribers: frame.subscribers, windowMs: frame.windowMs });
        return;
      }
      case "status": {
        const target = this.targets.get(frame.alias);
        if (target instanceof Subscription) target.publisherIs(frame.status, frame.windowMs);
        return;
      }
      case "error": {
        const target = frame.alias === null ? undefined : this.targets.get(frame.alias);
        if (!(target instanceof Subscription)) return;
        this.release(frame.alias as number);
        this.holdings.subscriptions.delete(target.node);
        const retryAfter = frame.retryAfterMs === null ? {} : { retryAfterMs: frame.retryAfterMs };
        target.finish(new StanzapackError(frame.code, frame.text, { origin: "peer", ...retryAfter }));
        return;
      }
      case "hello":
      case "ack":
      case "credit":
      case "bye":
        return;
    }
  }

  /** Whatever still comes for it was on its way when it was given up. */
  forget(target: Target): void {
    for (const [alias, bound] of this.targets) if (bound === target) this.release(alias);
  }

  private release(alias: number): void {
    this.targets.delete(alias);
    this.readers.delete(alias);
  }

  private bind(frame: BindSubscriptionFrame | BindServiceFrame): void {
    if (frame.role === "subscription") {
      const subscription = this.holdings.subscriptions.get(frame.node);
      if (subscription === undefined) return;
      this.targets.set(frame.alias, subscription);
      this.readers.set(frame.alias, new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, this.codec));
      subscription.bound(frame);
    } else {
      const service = this.holdings.services.get(frame.node);
      if (service === undefined) return;
      this.targets.set(frame.alias, service);
      service.bound(frame, this.peer());
    }
    this.waiters.get(frame.node)?.();
  }

  /** Waits for the answer to a request and for the BIND that goes with it, whichever order they come in. */
  async boundAfter<R>(target: Target, request: Promise<R>, timeoutMs: number): Promise<R> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const bound = new Promise<void>((resolve, reject) => {
      this.waiters.set(target.node, resolve);
      timer = setTimeout(
        () => reject(new StanzapackError("timeout", `no BIND for \`${target.node}\` within ${timeoutMs} ms`)),
        timeoutMs,
      );
    });
    bound.catch(() => undefined);
    try {
      const result = await request;
      // The component binds only once a link.
      if (![...this.targets.values()].includes(target)) await bound;
      return result;
    } finally {
      clearTimeout(timer);
      this.waiters.delete(target.node);
    }
  }
}

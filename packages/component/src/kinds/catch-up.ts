import { monotonicNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { TICK_MS } from "../fanout/clock.js";
import type { QueuedWriter } from "../fanout/write-queue.js";
import type { ReadyBody } from "../fanout/ready-body.js";
import { processorMs } from "../base/processor-time.js";
import type { Service } from "../catalog/service.js";
import type { ComponentStats } from "../base/stats.js";
import type { Subscription } from "../subscriptions/subscription.js";

export interface CatchUpHost {
  /** Whether the stream to the server takes more. */
  readonly open: boolean;
}

/** A body for a subscription on the way to its lane. */
export interface CatchUpBody {
  readonly body: ReadyBody;
  /** The position of a subscriber that has the body. */
  readonly to: number;
  /** Nothing follows the body, so the lane continues at once. Otherwise a busy service would never let go. */
  readonly arrives?: boolean;
}

/** Calls `encode`, and counts the body that it makes. */
export type Encoding = <T extends object>(encode: () => T) => T;

/** Where a subscription on the way to its lane finds what it does not have. */
export interface CatchUpSource {
  /**
   * Returns the next body for the subscription. `shared`: bodies of this turn, for subscribers at the same position.
   * Undefined: nothing is left, and the lane continues from here. `wait`: the rest is not there yet.
   */
  next(
    subscription: Subscription,
    shared: Map<string, CatchUpBody>,
    encoding: Encoding,
  ): CatchUpBody | "wait" | undefined;
  /** The next body cannot be made. Returns whether the subscription continues on its lane all the same. */
  failed(subscription: Subscription, error: unknown): boolean;
}

/** Longest time of one turn, in ms, so that live updates do not wait. */
const TURN_MS = 10;

/** The bodies that one turn has encoded, for other subscribers at the same position. */
type Encoded = Map<Service, Map<string, CatchUpBody>>;

/**
 * Brings subscribers of logs and maps to their lanes: sends them what they lack from their position on, in order. In
 * each turn, each client's writer receives one body, round robin among its subscriptions. A subscription without credit
 * waits.
 */
export class CatchUp {
  private readonly writers = new Map<QueuedWriter, Map<Subscription, CatchUpSource>>();
  /** Subscriptions that a request began. The request is charged the processor time of the first body. */
  private readonly beginning = new WeakSet<Subscription>();
  private timer: NodeJS.Timeout | undefined;
  /** Called for each catch-up that a request began, with the processor time of its first body, in ms. */
  onBegun: ((subscription: Subscription, ms: number) => void) | undefined;

  constructor(
    private readonly host: CatchUpHost,
    private readonly stats: ComponentStats,
    private readonly log: Logger,
    /** Called when a subscription has everything of a service that was withdrawn meanwhile. */
    private readonly onEnd: (subscription: Subscription) => void,
    /** Processor time used so far, in ms. */
    private readonly workMs: () => number = processorMs,
  ) {}

  /** The same as `add`, for a request of the subscriber. */
  begin(subscription: Subscription, source: CatchUpSource): void {
    this.beginning.add(subscription);
    this.add(subscription, source);
  }

  /** Sends the updates after `subscription.position`. The subscription is detached until it is on its lane. */
  add(subscription: Subscription, source: CatchUpSource): void {
    const { writer } = subscription.outlet;
    subscription.detached = true;
    const waiting = this.writers.get(writer) ?? new Map<Subscription, CatchUpSource>();
    this.writers.set(writer, waiting.set(subscription, source));
    this.book();
  }

  /** Returns whether the subscription was on the way to its lane. */
  remove(subscription: Subscription): boolean {
    const { writer } = subscription.outlet;
    const waiting = this.writers.get(writer);
    const wasThere = waiting?.delete(subscription) === true;
    if (waiting?.size === 0) this.writers.delete(writer);
    return wasThere;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.writers.clear();
  }

  private book(): void {
    if (this.timer !== undefined || this.writers.size === 0) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.host.open) this.turn();
      this.book();
    }, TICK_MS);
  }

  private turn(): void {
    const until = monotonicNow() + TURN_MS;
    const encoded: Encoded = new Map();
    for (const [writer, waiting] of [...this.writers]) {
      if (monotonicNow() > until) return;
      this.turnOf(waiting, encoded);
      // The writer moves to the end of the row, unless its last subscription left meanwhile.
      if (!this.writers.delete(writer)) continue;
      this.writers.set(writer, waiting);
    }
  }

  private turnOf(waiting: Map<Subscription, CatchUpSource>, encoded: Encoded): void {
    for (const [subscription, source] of [...waiting]) {
      if (!subscription.outlet.maySendAt(monotonicNow())) return;
      if (!subscription.hasCredit) continue;
      let goesOn = true;
      try {
        const next = source.next(
          subscription,
          this.sharedOf(subscription, encoded),
          this.encodingFor(subscription),
        );
        if (next === "wait") continue;
        if (next !== undefined) {
          subscription.send(next.body);
          subscription.position = next.to;
          if (next.arrives === true) {
            this.remove(subscription);
            this.arrive(subscription);
          } else {
            waiting.delete(subscription);
            waiting.set(subscription, source);
          }
          return;
        }
      } catch (error) {
        // The fault of one subscription must not hold up the others.
        const { node } = subscription.service;
        this.log.error({ err: error, node }, "the catch-up of a subscription failed");
        goesOn = source.failed(subscription, error);
      }
      this.remove(subscription);
      if (goesOn) this.arrive(subscription);
    }
  }

  private sharedOf({ service }: Subscription, encoded: Encoded): Map<string, CatchUpBody> {
    let shared = encoded.get(service);
    if (shared === undefined) encoded.set(service, (shared = new Map<string, CatchUpBody>()));
    return shared;
  }

  private encodingFor(subscription: Subscription): Encoding {
    return (encode) => {
      this.stats.singleEncodes++;
      const before = this.workMs();
      const made = encode();
      if (this.beginning.delete(subscription)) this.onBegun?.(subscription, this.workMs() - before);
      return made;
    };
  }

  private arrive(subscription: Subscription): void {
    if (subscription.service.withdrawn) return this.onEnd(subscription);
    subscription.detached = false;
    subscription.lane.add(subscription);
  }
}

import { monotonicNow } from "@stanzapack/xmpp";
import { DEFAULT_LIMITS, type BatchSlice } from "@stanzapack/wire";
import type { Logger } from "pino";
import { TICK_MS } from "../fanout/clock.js";
import { formatLaneKey } from "../fanout/lane.js";
import type { QueuedWriter } from "../fanout/write-queue.js";
import type { ReadyBody } from "../fanout/ready-body.js";
import { processorMs } from "../base/processor-time.js";
import type { Service } from "../catalog/service.js";
import type { ComponentStats } from "../base/stats.js";
import type { ReadableJournal } from "../store/journal.js";
import type { Subscription } from "../subscriptions/subscription.js";

export interface CatchUpHost {
  /** Whether the stream to the server takes more. */
  readonly open: boolean;
}

/** Longest time of one turn, in ms, so that live updates do not wait. */
const TURN_MS = 10;

/** The bodies that one turn has encoded, for other subscribers at the same position. */
type Encoded = Map<Service, Map<string, { readonly slice: BatchSlice; readonly body: ReadyBody }>>;

/**
 * Brings subscribers of logs to their lanes: sends them what the journal has from their position on, in order. In each
 * turn, each client's writer receives one body, round robin among its subscriptions. A subscription without credit
 * waits.
 */
export class CatchUp {
  private readonly writers = new Map<QueuedWriter, Map<Subscription, ReadableJournal>>();
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
  begin(subscription: Subscription, journal: ReadableJournal): void {
    this.beginning.add(subscription);
    this.add(subscription, journal);
  }

  /** Sends the updates after `subscription.position`. The subscription is detached until it is on its lane. */
  add(subscription: Subscription, journal: ReadableJournal): void {
    const { writer } = subscription.outlet;
    subscription.detached = true;
    const waiting = this.writers.get(writer) ?? new Map<Subscription, ReadableJournal>();
    this.writers.set(writer, waiting.set(subscription, journal));
    this.book();
  }

  remove(subscription: Subscription): void {
    const { writer } = subscription.outlet;
    const waiting = this.writers.get(writer);
    waiting?.delete(subscription);
    if (waiting?.size === 0) this.writers.delete(writer);
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

  private turnOf(waiting: Map<Subscription, ReadableJournal>, encoded: Encoded): void {
    for (const [subscription, journal] of [...waiting]) {
      if (!subscription.outlet.maySendAt(monotonicNow())) return;
      if (!subscription.hasCredit) continue;
      try {
        if (this.sendNext(subscription, journal, encoded)) {
          waiting.delete(subscription);
          waiting.set(subscription, journal);
          return;
        }
      } catch (error) {
        // The fault of one subscription must not hold up the others. On its lane, the missing updates show as lost.
        this.log.error({ err: error, node: subscription.service.node }, "the catch-up of a log failed");
      }
      this.remove(subscription);
      this.arrive(subscription);
    }
  }

  /** Sends the next body. Returns false when nothing is left, and the lane continues from here. */
  private sendNext(subscription: Subscription, journal: ReadableJournal, encoded: Encoded): boolean {
    const next = this.encodeNext(subscription, journal, encoded);
    if (next === undefined) return false;
    subscription.send(next.body);
    subscription.position = next.slice.to;
    return true;
  }

  private encodeNext(
    subscription: Subscription,
    journal: ReadableJournal,
    encoded: Encoded,
  ): { readonly slice: BatchSlice; readonly body: ReadyBody } | undefined {
    const { lane, service } = subscription;
    const shared = encoded.get(service) ?? new Map<string, { slice: BatchSlice; body: ReadyBody }>();
    encoded.set(service, shared);
    for (;;) {
      if (subscription.position >= lane.flushedTo) return undefined;
      const key = `${subscription.position}/${formatLaneKey({ ...lane.key, windowMs: 0 })}`;
      const known = shared.get(key);
      if (known !== undefined) return known;
      const slice = journal.read(subscription.position + 1, DEFAULT_LIMITS.maxRowsPerFrame, lane.maxBytes);
      if (slice === undefined) return undefined;
      const projected = { ...slice, rows: slice.rows.map((row) => lane.project(row)) };
      if (lane.fits(projected.rows[0] as Uint8Array)) {
        this.stats.singleEncodes++;
        const before = this.workMs();
        const made = { slice, body: lane.encodeAlone(projected) };
        if (this.beginning.delete(subscription)) this.onBegun?.(subscription, this.workMs() - before);
        shared.set(key, made);
        return made;
      }
      // The link cannot take this row. The row shows as lost in front of the next one.
      subscription.position = slice.to;
    }
  }

  private arrive(subscription: Subscription): void {
    if (subscription.service.withdrawn) return this.onEnd(subscription);
    subscription.detached = false;
    subscription.lane.add(subscription);
  }
}

import type { Since } from "@stanzapack/wire";
import type { Logger } from "pino";
import type { Later } from "../base/later.js";
import type { ComponentStats } from "../base/stats.js";
import { Tally } from "../base/tally.js";
import { ownRetention } from "../catalog/own-retention.js";
import type { Service } from "../catalog/service.js";
import type { ServiceRecord } from "../catalog/service-record.js";
import type { ComponentLimits } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import { JournalMemory } from "../store/base/journal-memory.js";
import { MemoryJournal } from "../store/memory/memory-journal.js";
import { tighter, type Retention } from "../store/base/retention.js";
import type { Subscription } from "../subscriptions/subscription.js";
import { CatchUp } from "./catch-up.js";
import { LogKind, type LogShelf } from "./log.js";
import { memoryShelf, storedShelf } from "./log-shelves.js";

/** From this many withdrawn logs of one publisher on, a further one is kept only if it has subscribers. */
const MAX_WITHDRAWN_PER_OWNER = 100;

/** A log that was withdrawn. */
interface Withdrawn {
  readonly shelf: LogShelf;
  /** By the monotonic clock, in ms. */
  readonly at: number;
}

/** Creates logs, and keeps withdrawn logs for `withdrawnSeconds`, so that their subscribers receive the rest. */
export class Logs {
  private readonly memory: JournalMemory;
  private readonly bounds: Retention;
  readonly catchUp: CatchUp;
  /** The oldest first. */
  private readonly withdrawn = new Map<Service, Withdrawn>();
  /** Withdrawn logs by epoch and node, because a node may be offered and withdrawn again meanwhile. */
  private readonly byPosition = new Map<string, Service>();
  private readonly withdrawnBy = new Tally();

  constructor(
    private readonly fanOut: FanOut,
    private readonly limits: ComponentLimits,
    stats: ComponentStats,
    log: Logger,
    isOurs: (domain: string) => boolean,
    /** Ends a subscription that has everything of a withdrawn log, or gets no more of it. */
    private readonly onEnd: (subscription: Subscription) => void,
  ) {
    this.memory = new JournalMemory(limits, isOurs);
    this.bounds = {
      get maxRows() {
        return limits.logMaxRows;
      },
      get maxBytes() {
        return limits.logMaxBytes;
      },
      maxAgeMs: Infinity,
    };
    this.catchUp = new CatchUp(fanOut, stats, log, onEnd);
  }

  /** Bytes of memory of all logs that are in no store. */
  get memoryBytes(): number {
    return this.memory.used;
  }

  /** Returns the kind of a log: with its journal in the store, or with an empty one in the owner's memory. */
  create(record: ServiceRecord): LogKind {
    const { id, stored } = record;
    const bounds = tighter(
      ownRetention(() => record.config),
      this.bounds,
    );
    const shelf =
      stored === undefined
        ? memoryShelf(new MemoryJournal(() => bounds, this.memory, id.owner))
        : storedShelf(stored);
    return new LogKind(shelf, {
      fanOut: this.fanOut,
      catchUp: this.catchUp,
      onWithdrawn: (service, kept, now) => this.keepWithdrawn(service, kept, now),
    });
  }

  /** Subscribers receive the rest for `withdrawnSeconds`. So do those whose link is gone, when they come back. */
  private keepWithdrawn(service: Service, shelf: LogShelf, now: number): void {
    const { epoch, node, id } = service.record;
    if (service.subscriptions.size === 0 && this.withdrawnBy.get(id.owner) >= MAX_WITHDRAWN_PER_OWNER)
      return void shelf.clear();
    this.withdrawn.set(service, { shelf, at: now });
    this.byPosition.set(keyOf(epoch, node), service);
    this.withdrawnBy.add(id.owner, 1);
  }

  /** Returns the withdrawn log of that node that had this position. */
  withdrawnAt(node: string, since: Since | undefined): Service | undefined {
    if (typeof since !== "object" || !("epoch" in since)) return undefined;
    return this.byPosition.get(keyOf(since.epoch, node));
  }

  private end(service: Service, shelf: LogShelf): Later<void> {
    const { epoch, node, id } = service.record;
    this.withdrawn.delete(service);
    const key = keyOf(epoch, node);
    if (this.byPosition.get(key) === service) this.byPosition.delete(key);
    this.withdrawnBy.add(id.owner, -1);
    return shelf.clear();
  }

  /** Returns the withdrawn logs of a bare JID. */
  withdrawnOf(owner: string): Service[] {
    return [...this.withdrawn.keys()].filter(({ id }) => id.owner === owner);
  }

  /** Ends a withdrawn log now: its subscribers receive no more of it. Resolves when the store has deleted the log. */
  erase(service: Service): Later<void> {
    const shelf = this.withdrawn.get(service)?.shelf;
    if (shelf === undefined) return;
    for (const subscription of service.subscriptions) this.onEnd(subscription);
    return this.end(service, shelf);
  }

  /**
   * Once a second: ends the withdrawn logs whose time is over. So a subscriber without credit or acknowledgements keeps
   * no log for ever.
   */
  sweep(now: number): void {
    for (const [service, { shelf, at }] of this.withdrawn) {
      if (now - at < this.limits.withdrawnSeconds * 1_000) return;
      for (const subscription of service.subscriptions) {
        // The subscriber receives the newest update alone, so that all updates before it show as lost.
        if (subscription.position < service.record.offset)
          this.fanOut.sendLast(subscription, undefined, new Map());
        this.onEnd(subscription);
      }
      void this.end(service, shelf);
    }
  }

  /** The subscription has ended. Its service may be of any kind. */
  forget(subscription: Subscription): void {
    this.catchUp.remove(subscription);
  }

  stop(): void {
    this.catchUp.stop();
  }
}

function keyOf(epoch: number, node: string): string {
  return `${epoch} ${node}`;
}

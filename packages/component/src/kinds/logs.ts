import type { Since } from "@stanzapack/wire";
import { wallNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { CatchUp } from "./catch-up.js";
import type { ComponentLimits } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { Journal } from "../store/journal.js";
import { JournalMemory } from "../store/journal-memory.js";
import { MemoryJournal, type JournalBounds } from "../store/memory-journal.js";
import type { Lane } from "../fanout/lane.js";
import type { Service, ServiceConfig } from "../catalog/service.js";
import type { ComponentStats } from "../base/stats.js";
import type { Subscription } from "../subscriptions/subscription.js";
import { Tally } from "../base/tally.js";

/** Of one publisher so many withdrawn logs are kept at most. */
const MAX_WITHDRAWN_PER_OWNER = 100;

/** What services of kind `log` have beside others: a journal, and a way from it to their lanes. */
export class Logs {
  private readonly memory: JournalMemory;
  private readonly bounds: JournalBounds;
  readonly catchUp: CatchUp;
  /** Since when, the oldest first. */
  private readonly withdrawn = new Map<Service, number>();
  /** By epoch and node: a node may be offered and withdrawn again meanwhile. */
  private readonly withdrawnOf = new Map<string, Service>();
  private readonly withdrawnBy = new Tally();

  constructor(
    private readonly fanOut: FanOut,
    private readonly limits: ComponentLimits,
    stats: ComponentStats,
    log: Logger,
    isOurs: (domain: string) => boolean,
    /** It has everything of a service that was withdrawn meanwhile, or gets no more of it. */
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
    };
    this.catchUp = new CatchUp(fanOut, stats, log, onEnd);
  }

  /** Of a service that is to be; undefined for one of another kind. */
  createJournal({ kind }: ServiceConfig, owner: string): Journal | undefined {
    return kind === "log" ? new MemoryJournal(this.bounds, this.memory, owner) : undefined;
  }

  /** A new subscription: where it begins, and on its way from there. */
  begin(subscription: Subscription, journal: Journal, since: Since | undefined): void {
    const { service } = subscription;
    const { position, recovered } = locate(service, journal, since);
    subscription.position = position;
    subscription.begun = { epoch: service.epoch, offset: position };
    subscription.recovered = recovered;
    this.catchUp.begin(subscription);
  }

  /** Positions `from` to `to` came; before lanes get them. */
  append(
    { lanes }: Service,
    journal: Journal,
    from: number,
    to: number,
    rows: readonly Uint8Array[],
    ats: readonly number[],
  ): void {
    // Copies: rows are views that would keep their whole block alive.
    journal.append(
      from,
      to,
      rows.map((row) => row.slice()),
      ats,
      wallNow(),
    );
    const bytes = rows.reduce((sum, row) => sum + row.length, 0);
    for (const lane of lanes.values()) if (lane.overflows(rows.length, bytes)) this.setAside(lane);
  }

  /**
   * Empties a lane that cannot be flushed and detaches its subscribers where they stand. Those of a log get what waited from the journal
   * later; those of another kind are the caller's to serve.
   */
  setAside(lane: Lane): void {
    for (const subscription of [...lane.attached, ...lane.joining]) {
      lane.remove(subscription);
      subscription.position = lane.flushedTo;
      subscription.detached = true;
      if (lane.service.journal !== undefined) this.catchUp.add(subscription);
    }
    this.fanOut.forget(lane);
    lane.skip();
  }

  /** One that had no credit has it again. */
  resume(subscription: Subscription): void {
    this.catchUp.add(subscription);
  }

  /** Its subscribers get the rest of it, for so long, also those whose link is gone and who come back. */
  withdraw(service: Service, now: number): void {
    const { journal, epoch, node, id } = service;
    if (journal === undefined) return;
    if (service.subscriptions.size === 0 && this.withdrawnBy.get(id.owner) >= MAX_WITHDRAWN_PER_OWNER)
      return journal.clear();
    this.withdrawn.set(service, now);
    this.withdrawnOf.set(keyOf(epoch, node), service);
    this.withdrawnBy.add(id.owner, 1);
  }

  /** The withdrawn log of that node that had this position. */
  withdrawnAt(node: string, since: Since | undefined): Service | undefined {
    if (typeof since !== "object" || !("epoch" in since)) return undefined;
    return this.withdrawnOf.get(keyOf(since.epoch, node));
  }

  private end(service: Service): void {
    const { epoch, node, id } = service;
    this.withdrawn.delete(service);
    const key = keyOf(epoch, node);
    if (this.withdrawnOf.get(key) === service) this.withdrawnOf.delete(key);
    this.withdrawnBy.add(id.owner, -1);
    service.journal?.clear();
  }

  /** Once a second: whoever gives no credit, or does not acknowledge, pins no log that is gone. */
  sweep(now: number): void {
    for (const [service, since] of this.withdrawn) {
      if (now - since < this.limits.withdrawnSeconds * 1_000) return;
      for (const subscription of service.subscriptions) {
        // The newest alone, so that all before it shows as lost.
        if (subscription.position < service.offset) this.fanOut.sendLast(subscription, undefined, new Map());
        this.onEnd(subscription);
      }
      this.end(service);
    }
  }

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

/** Where a subscription to a log begins: the last position that it does not get. */
function locate(
  { epoch, offset }: Service,
  journal: Journal,
  since: Since | undefined,
): { readonly position: number; readonly recovered: boolean | undefined } {
  if (since === undefined) return { position: offset, recovered: undefined };
  if (since === "first") return { position: journal.first - 1, recovered: true };
  if ("time" in since) {
    const start = journal.since(since.time);
    return { position: start.offset - 1, recovered: start.whole };
  }
  // Of another life: everything that this one has.
  if (since.epoch !== epoch) return { position: journal.first - 1, recovered: false };
  return {
    position: Math.min(since.offset, offset),
    recovered: since.offset + 1 >= journal.first && since.offset <= offset,
  };
}

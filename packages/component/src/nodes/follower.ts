import { StanzapackError } from "@stanzapack/wire";
import { monotonicNow, wallAheadMs, wallNow } from "@stanzapack/xmpp";
import type { Publishing } from "../broker/publishing.js";
import type { RemoteOwner, Service } from "../catalog/service.js";
import { ServiceRecord } from "../catalog/service-record.js";
import { Arrival } from "../fanout/selector.js";
import type { CreateKind } from "../kinds/kind.js";
import { toRows } from "../store/base/entries.js";
import type { StoredEntry } from "../store/store.js";
import type { Subscriptions } from "../subscriptions/subscriptions.js";
import { decodeLive, type LiveUpdates, type ServiceState } from "./messages.js";
import type { FollowedService, NodeStore } from "./node-store.js";

/** How long the owner has to say how a service stands, in ms. It is asked again after half of that. */
const STATE_MS = 2_000;
/** Updates that may come while the service is read. Beyond, it is read again. */
const MOST_WAITING = 4_096;
/** Pause before a service is read again, in ms. */
const AGAIN_MS = 500;
/** A service without a subscriber is followed this much longer, in ms. */
const LINGER_MS = 30_000;

export interface FollowerParts {
  readonly store: Pick<NodeStore, "follow" | "listen">;
  readonly publishing: Publishing;
  readonly subscriptions: Subscriptions;
  readonly createKind: CreateKind;
  /** Asks the owner how the service stands. Resolves to undefined if it does not answer, or if nobody owns it now. */
  readonly ask: (service: Service, ms: number) => Promise<ServiceState | undefined>;
  readonly onTrouble: (service: Service, error: unknown) => void;
}

/** A service that another node owns, as this node knows it: followed while somebody subscribes here. */
export class Follower {
  /** Resolves when the service is up to date. Rejects with `busy`. */
  readonly ready: Promise<void>;
  private listening: { stop(): void } | undefined;
  /** Messages that came while the service is read. Undefined: it is up to date. */
  private waiting: LiveUpdates[] | undefined = [];
  private stored: FollowedService | undefined;
  private again: NodeJS.Timeout | undefined;
  private stopped = false;
  private usedAt = monotonicNow();

  constructor(
    readonly service: Service,
    private readonly parts: FollowerParts,
  ) {
    this.ready = this.begin();
    this.ready.catch(() => undefined);
  }

  /** Whether nobody has subscribed for some time. */
  isIdle(now: number): boolean {
    if (this.service.subscriptions.size > 0) this.usedAt = now;
    return now - this.usedAt > LINGER_MS;
  }

  private async begin(): Promise<void> {
    const { store } = this.parts;
    const channel = { followersOf: this.service.node };
    this.listening = await store.listen(
      channel,
      (bytes) => this.take(bytes),
      () => void this.look(),
    );
    try {
      await this.read();
    } catch (error) {
      this.waiting = undefined;
      throw error;
    }
  }

  private get owner(): RemoteOwner | undefined {
    return this.service.owner;
  }

  /** Reads the service as it is now, and gives it to its subscriptions. */
  private async read(): Promise<void> {
    this.waiting ??= [];
    const { service, parts } = this;
    // Once it has answered, the owner sends all that comes. So nothing is missed between this and the next step.
    const state = (await parts.ask(service, STATE_MS / 2)) ?? (await parts.ask(service, STATE_MS / 2));
    const { durability } = service.config;
    const stored = durability === "none" ? undefined : await parts.store.follow(service.node);
    const entries = service.config.kind === "map" ? await stored?.entries() : undefined;
    // Meanwhile this node may have become the owner. Then what was read here counts no more.
    if (this.isOver()) return stored?.close();
    if (stored === undefined && state === undefined)
      throw new StanzapackError("busy", `the node that has \`${service.node}\` does not answer`, {
        retryAfterMs: STATE_MS,
      });
    this.stored?.close();
    this.stored = stored;
    this.show(stored, entries, state);
    this.catchUp();
  }

  private show(
    stored: FollowedService | undefined,
    entries: Iterable<StoredEntry> | undefined,
    state: ServiceState | undefined,
  ): void {
    const { service, parts } = this;
    const now = monotonicNow();
    const { id, config } = service.record;
    const epoch = stored?.record.epoch ?? state?.epoch ?? service.record.epoch;
    const record = new ServiceRecord(id, config, epoch, now, stored, [], state?.baseAt);
    for (const jid of service.record.approved) record.approved.add(jid, wallNow());
    if (stored === undefined && state !== undefined) {
      record.offset = record.given = state.offset;
      if (state.row !== null) record.last = { row: state.row, at: state.at - wallAheadMs() };
    }
    parts.subscriptions.rehome(service, record, parts.createKind(record, entries), now);
    // Those who subscribe here need not wait for the publisher's answer to new demand.
    if (state?.isLive === true && service.demand.subscribers === 0)
      service.demand = { subscribers: 1, windowMs: null };
  }

  private catchUp(): void {
    const { waiting = [] } = this;
    this.waiting = undefined;
    for (const live of waiting) this.apply(live);
  }

  private take(bytes: Uint8Array): void {
    try {
      const live = decodeLive(bytes);
      if (this.waiting === undefined) this.apply(live);
      else if (this.waiting.push(live) > MOST_WAITING) this.waiting.shift();
    } catch (error) {
      this.parts.onTrouble(this.service, error);
    }
  }

  private apply(live: LiveUpdates): void {
    const { service } = this;
    const { record } = service;
    // Nothing of a former owner counts.
    if (live.fence < (this.owner?.fence ?? Infinity)) return;
    if (this.waiting !== undefined) return void this.waiting.push(live);
    if (live.epoch !== record.epoch) return this.readAgain();
    if (live.to <= record.offset) return;
    if (live.before !== record.offset && service.config.kind !== "value") return this.skipTo(live.to);
    const { from, to, rows, ats, cameAt } = live;
    const ahead = wallAheadMs();
    const arrival = new Arrival(
      ...([service.config.kind === "value" ? record.offset + 1 : from, to, rows] as const),
      ats.map((at) => at - ahead),
    );
    if (service.config.kind === "log")
      this.stored?.extend(toRows({ from, to, rows, ats: arrival.ats, cameAt }, 0), to);
    this.parts.publishing.follow(service, arrival, monotonicNow());
  }

  /** The updates up to `to` are stored, and some of them did not come here. */
  private skipTo(to: number): void {
    const { service, stored } = this;
    if (service.config.kind !== "log" || stored === undefined) return this.readAgain();
    // Subscribers receive them from the journal.
    for (const lane of service.lanes.values()) service.kind.setAside(lane);
    stored.jump(to);
    service.record.offset = service.record.given = to;
    for (const lane of service.lanes.values()) lane.flushedTo = to;
  }

  /** Every few seconds, and when messages may be lost: looks whether something is missing. */
  async look(): Promise<void> {
    const { service } = this;
    if (this.waiting !== undefined || this.isOver()) return;
    if (this.stored === undefined) return this.askAgain();
    const before = service.record.offset;
    const now = await this.stored.look().catch(() => undefined);
    if (now === undefined || this.waiting !== undefined || this.isOver()) return;
    if (now.epoch !== service.record.epoch) this.readAgain();
    // What is on its way counts as there: only what was missing before the question is missing.
    else if (now.offset > service.record.offset && service.record.offset === before)
      this.skipOrRead(now.offset);
  }

  private skipOrRead(to: number): void {
    if (this.service.config.kind === "log") this.skipTo(to);
    else this.readAgain();
  }

  private async askAgain(): Promise<void> {
    const { service } = this;
    const state = await this.parts.ask(service, STATE_MS);
    if (state === undefined || this.waiting !== undefined || this.isOver()) return;
    const { epoch, offset } = service.record;
    if (state.epoch !== epoch || state.offset > offset) this.readAgain();
  }

  /** Whether this node follows the service no more, or owns it now. */
  private isOver(): boolean {
    return this.stopped || this.owner === undefined;
  }

  /** The owner has changed, or more is missing than can be mended. */
  readAgain(): void {
    if (this.isOver() || this.waiting !== undefined) return;
    this.waiting = [];
    this.read().catch((error: unknown) => {
      this.parts.onTrouble(this.service, error);
      if (this.isOver()) return;
      this.again = setTimeout(() => {
        this.waiting = undefined;
        this.readAgain();
      }, AGAIN_MS);
    });
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.again);
    this.listening?.stop();
    this.stored?.close();
  }
}

import {
  DEFAULT_LIMITS,
  encodeDiffering,
  encodeSnapshot,
  hasParts,
  keyTest,
  WHOLE_RANGE,
  type DigestFrame,
  type MapEntry,
  type RepairEntriesFrame,
} from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { ComponentStats } from "../base/stats.js";
import type { Budgets } from "../budgets/budgets.js";
import type { ComponentLimits } from "../config/config.js";
import type { Lane } from "../fanout/lane.js";
import { SharedFrame } from "../fanout/shared-frame.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { MapAsk } from "./kind.js";
import type { MapState } from "./map-state.js";

/** Longest turn, in ms, and the least pause until the next one. So checks use half of the time at most. */
const TURN_MS = 5;
const REST_MS = 5;
/** Pause until the next turn if nothing new was asked, in ms. What waits needs a body, room or time. */
const WAIT_MS = 100;
/** How long a checksum waits for an update that leaves anyway, in ms. It then needs no stanza of its own. */
const RIDE_MS = 1_000;
/** Entries that are hashed between two looks at the clock, and entries that are hashed when an answer is due. */
const HASHED_AT_ONCE = 256;
/** So few entries of a range are sent instead of the checksums of its parts, whatever they take. */
const FEW_ENTRIES = 4;
/** Most entries of a range that are sent if they take at most so many bytes: less than one question and answer more. */
const MAX_LEAF_ENTRIES = 32;
const MAX_LEAF_BYTES = 256;
/** Most entries of a range that cannot be divided. It has several only if somebody looked for such keys. */
const MAX_LAST_ENTRIES = 1_000;
/** Most bytes of a REPAIR frame before its payload. */
const REPAIR_HEADER_BYTES = 48;

/** The part of a map that a check needs. */
export interface CheckedMap {
  readonly state: MapState;
  /** The state is not to be shown yet. */
  readonly isLoading: boolean;
  /** Sends a subscription on its lane the whole map again. */
  resend(subscription: Subscription): void;
}

export interface CheckParts {
  readonly host: { readonly open: boolean };
  readonly budgets: Pick<Budgets, "hasRoom" | "charge" | "chargeWork">;
  readonly limits: Pick<ComponentLimits, "mapDigestSeconds">;
  readonly stats: ComponentStats;
  readonly log: Logger;
  /** From 0 up to 1. Default: by chance. */
  readonly chance?: () => number;
}

/** What is to be sent on one lane, once nothing waits there. */
interface LaneWork {
  readonly map: CheckedMap;
  /** When the checksum for all is sent at the latest, in ms. Undefined: none is due. */
  digestBy: number | undefined;
  /** Ranges that subscribers have asked for. Each subscription has one request at most. */
  readonly asks: Map<Subscription, MapAsk>;
}

type SubscriberLane = Lane<Subscription>;

/**
 * Tells subscribers the checksums of maps (DIGEST), and what they lack (REPAIR). Each answer is about the position that
 * the subscriber has when it arrives. So it is sent while nothing waits in the subscription's lane: at once, or right
 * after the lane's next body.
 */
export class MapChecks {
  private readonly work = new Map<SubscriberLane, LaneWork>();
  /** When the next checksum of a lane is due, in ms. */
  private readonly dueAt = new WeakMap<SubscriberLane, number>();
  /** The position of the last checksum that a subscription was sent. */
  private readonly told = new WeakMap<Subscription, number>();
  private timer: NodeJS.Timeout | undefined;
  /** When the next turn is, and when the last one ended, in ms. */
  private turnAt = Infinity;
  private turnedAt = -Infinity;

  constructor(private readonly parts: CheckParts) {}

  /** Once a second, for each lane of a map: is a checksum due? `now`: by the monotonic clock, in ms. */
  look(lane: SubscriberLane, map: CheckedMap, now: number): void {
    const intervalMs = this.parts.limits.mapDigestSeconds * 1_000;
    if (intervalMs === 0) return;
    const dueAt = this.dueAt.get(lane);
    // Lanes that begin together, such as after a restart, do not send together.
    if (dueAt === undefined) {
      const { chance = Math.random } = this.parts;
      return void this.dueAt.set(lane, now + chance() * intervalMs);
    }
    if (now < dueAt) return;
    this.dueAt.set(lane, now + intervalMs);
    if (this.untold(lane, map).next().done === true) return;
    map.state.startHashes();
    this.workFor(lane, map).digestBy ??= now + RIDE_MS;
    this.book(0);
  }

  /** A subscriber asks for these ranges; none: for the whole map. What it asked before is answered no more. */
  ask(subscription: Subscription, asked: MapAsk, map: CheckedMap): void {
    map.state.startHashes();
    this.workFor(subscription.lane, map).asks.set(subscription, asked);
    this.book(0);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.work.clear();
  }

  private workFor(lane: SubscriberLane, map: CheckedMap): LaneWork {
    let work = this.work.get(lane);
    if (work === undefined) {
      this.work.set(lane, (work = { map, digestBy: undefined, asks: new Map() }));
      lane.onFlushed = () => this.flushed(lane);
    }
    return work;
  }

  /** Subscriptions on the lane that do not know the checksum of the map as it is. */
  private *untold(
    { attached, joining }: SubscriberLane,
    { state }: CheckedMap,
  ): Generator<Subscription, void> {
    for (const members of [attached, joining])
      for (const subscription of members)
        if (subscription.outlet.takesDigests && this.told.get(subscription) !== state.position)
          yield subscription;
  }

  private book(ms: number): void {
    const now = monotonicNow();
    const at = Math.max(now + ms, this.turnedAt + REST_MS);
    if (this.work.size === 0 || at >= this.turnAt) return;
    clearTimeout(this.timer);
    this.turnAt = at;
    this.timer = setTimeout(() => this.turn(), at - now);
  }

  private turn(): void {
    this.turnAt = Infinity;
    const until = monotonicNow() + TURN_MS;
    let isOver = false;
    for (const [lane, work] of [...this.work]) {
      this.settle(lane, work, until, false);
      if (monotonicNow() > until) {
        // The others come first next time.
        if (this.work.delete(lane)) this.work.set(lane, work);
        isOver = true;
        break;
      }
    }
    this.turnedAt = monotonicNow();
    this.book(isOver ? REST_MS : WAIT_MS);
  }

  private flushed(lane: SubscriberLane): void {
    const work = this.work.get(lane);
    if (work !== undefined) this.settle(lane, work, monotonicNow() + TURN_MS, true);
  }

  /** Sends what can be sent now. `rides`: an update leaves anyway. */
  private settle(lane: SubscriberLane, work: LaneWork, until: number, rides: boolean): void {
    const { map, asks } = work;
    try {
      for (const subscription of asks.keys()) {
        if (!isCurrent(subscription)) asks.delete(subscription);
        else if (subscription.lane !== lane) {
          const asked = asks.get(subscription) as MapAsk;
          asks.delete(subscription);
          this.workFor(subscription.lane, map).asks.set(subscription, asked);
        }
      }
      if (!lane.active && asks.size === 0) work.digestBy = undefined;
      const isDue = work.digestBy !== undefined && (rides || monotonicNow() >= work.digestBy);
      if ((isDue || asks.size > 0) && this.isLevel(lane, map, until)) {
        if (isDue) this.tell(lane, map);
        if (isDue) work.digestBy = undefined;
        this.answerAll(work, until);
      }
    } catch (error) {
      // The fault of one map must not hold up the others.
      this.parts.log.error({ err: error, node: lane.service.record.node }, "a map could not be checked");
      work.digestBy = undefined;
      asks.clear();
    }
    if (work.digestBy !== undefined || asks.size > 0) return;
    this.work.delete(lane);
    lane.onFlushed = undefined;
  }

  /** Whether a subscriber on the lane has, with what was sent to it, the map as it is now. */
  private isLevel(lane: SubscriberLane, { state, isLoading }: CheckedMap, until: number): boolean {
    if (!this.parts.host.open || isLoading || state.continues || !lane.batch.empty) return false;
    while (!state.workOnHashes(HASHED_AT_ONCE)) if (monotonicNow() > until) return false;
    return true;
  }

  private tell(lane: SubscriberLane, map: CheckedMap): void {
    const { position } = map.state;
    const intervalMs = this.parts.limits.mapDigestSeconds * 1_000;
    const sums = map.state.digestOf(WHOLE_RANGE, keyTest(lane.key.selection)).checksum;
    const frame = frameFor({
      ...{ type: "digest", epoch: lane.service.record.epoch, position, range: WHOLE_RANGE },
      ...{ intervalMs, sums },
    });
    for (const subscription of [...this.untold(lane, map)]) {
      this.told.set(subscription, position);
      this.parts.stats.digestsSent++;
      subscription.outlet.sendShared(frame);
    }
  }

  private answerAll({ map, asks }: LaneWork, until: number): void {
    const { budgets } = this.parts;
    // The answer to the next range of a subscription comes after the next of each other one.
    for (const [subscription, { ranges, sums }] of asks) {
      const { outlet } = subscription;
      const before = monotonicNow();
      if (before > until) return;
      if (subscription.detached || !outlet.maySendAt(before) || !budgets.hasRoom(outlet.jid)) continue;
      const [range, ...others] = ranges;
      asks.delete(subscription);
      let left: readonly number[] = others;
      if (range !== undefined && sums !== null) left = this.tellDiffering(subscription, range, sums, map);
      else if (range === undefined || !this.answer(subscription, range, map)) {
        this.resend(subscription, map);
        left = [];
      }
      if (left.length > 0) asks.set(subscription, { ranges: left, sums: null });
      budgets.charge(outlet.jid, 1);
      budgets.chargeWork(outlet.jid, monotonicNow() - before);
    }
  }

  private resend(subscription: Subscription, map: CheckedMap): void {
    this.parts.stats.mapsResent++;
    const { service, outlet } = subscription;
    this.parts.log.warn(
      { node: service.node, jid: outlet.jid },
      "a client's copy of a map differs: it is sent again",
    );
    map.resend(subscription);
  }

  /** Says which parts of a range differ from the subscriber's. Returns these parts, whose answers follow. */
  private tellDiffering(
    { lane, outlet }: Subscription,
    range: number,
    sums: Uint8Array,
    { state }: CheckedMap,
  ): number[] {
    const parts = state.digestOf(range, keyTest(lane.key.selection)).differing(sums);
    const { epoch } = lane.service.record;
    const head = { type: "digest", epoch, position: state.position, range, intervalMs: 0 } as const;
    outlet.sendShared(frameFor({ ...head, sums: encodeDiffering(parts) }));
    return parts;
  }

  /** Sends the checksums or the entries of a range. Returns false if the entries fit no frame. */
  private answer(subscription: Subscription, range: number, { state }: CheckedMap): boolean {
    const { lane, outlet } = subscription;
    const takes = keyTest(lane.key.selection);
    const { epoch } = lane.service.record;
    const divides = hasParts(range);
    const entries = state.entriesOf(range, takes, divides ? MAX_LEAF_ENTRIES : MAX_LAST_ENTRIES);
    const frame = entries && this.repairOf(lane, range, state.position, entries);
    const isLeaf = !divides || entries === undefined || entries.length <= FEW_ENTRIES;
    if (frame !== undefined && (isLeaf || frame.payload.length <= MAX_LEAF_BYTES)) {
      this.parts.stats.rangesRepaired++;
      const at = { node: lane.service.record.node, jid: outlet.jid, range };
      this.parts.log.warn(at, "a client's copy of a map differs: a part is sent again");
      outlet.sendShared(frameFor(frame), true);
      return true;
    }
    if (!divides) return false;
    const { sums } = state.digestOf(range, takes);
    outlet.sendShared(
      frameFor({ type: "digest", epoch, position: state.position, range, intervalMs: 0, sums }),
    );
    return true;
  }

  /** Undefined: the entries fit no block of the lane's links. */
  private repairOf(
    { key, service }: SubscriberLane,
    range: number,
    position: number,
    entries: readonly MapEntry<Uint8Array>[],
  ): Omit<RepairEntriesFrame, "alias"> | undefined {
    const most = key.sizeClass - REPAIR_HEADER_BYTES;
    const bytes = entries.reduce((sum, { key: text, value }) => sum + text.length + (value?.length ?? 0), 0);
    if (bytes > most) return undefined;
    const { epoch, config } = service.record;
    const coded = key.coded && config.compression !== "isolated";
    const head = { epoch, from: 1, to: position, begins: true, left: 0 };
    const { form, payload } = encodeSnapshot(head, entries, coded, DEFAULT_LIMITS);
    if (payload.length > most) return undefined;
    return { type: "repair", role: "entries", epoch, position, range, form, payload };
  }
}

/** Whether the subscription has not ended. */
function isCurrent(subscription: Subscription): boolean {
  return subscription.service.subscriptions.has(subscription);
}

function frameFor(frame: Omit<DigestFrame, "alias"> | Omit<RepairEntriesFrame, "alias">): SharedFrame {
  return new SharedFrame((alias) => ({ ...frame, alias }));
}

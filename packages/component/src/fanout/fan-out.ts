import { monotonicNow, type Connection } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { TICK_MS, TickClock } from "./clock.js";
import type { Lane, LaneMember, ReadyBatch } from "./lane.js";
import type { ReadyBody } from "./ready-body.js";
import type { Service } from "../catalog/service.js";
import { statusFrame } from "./shared-frame.js";
import { countBody, type ComponentStats } from "../base/stats.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { Tracing } from "../tracing/tracing.js";
import { PHASES, type QueuedWriter, WriteQueue } from "./write-queue.js";

/** Characters gathered before a write: larger strings gain nothing, smaller ones cost a system call each. */
const WRITE_CHARS = 65_536;
/**
 * Most links to which data of one tick is written at once. Data for more links is spread over the tick. So no server
 * receives a burst, and nothing else waits behind it.
 */
const BURST_LINKS = 500;
const PHASE_MS = TICK_MS / PHASES;
/** The character before the last of a stanza without children. */
const SLASH = "/".charCodeAt(0);
/** Batches of this many rows or more, which take a millisecond or more, are encoded after the others of their tick. */
const LARGE_ROWS = 256;
/** Most bodies of one service's newest value that are kept for further subscribers at the same position. */
const KEPT_BODIES = 64;
/** Up to this many bytes of rows, encoding is neither measured nor charged. It takes a few ms at most. */
const CHEAP_BYTES = 512;

/**
 * The hot path: lanes become due, each lane encodes once, links gather their frames, and one write takes all of them.
 * While the stream to the server is down or backed up, nothing is encoded, and lanes conflate within their bounds.
 */
export class FanOut {
  private readonly clock = new TickClock<Lane>((lanes, now) => {
    // The phases left of the last tick are written first, before there is more to write.
    this.writePhases(now);
    this.flush(lanes, now, true);
  });
  private readonly beats = new TickClock<Lane>((lanes, now) => this.beat(lanes, now));
  /** Lanes of window 0 with new updates. */
  private readonly immediate = new Set<Lane>();
  /** Due lanes that wait for the stream. */
  private readonly parked = new Set<Lane>();
  /** Links with something to write. */
  private readonly queue = new WriteQueue();
  private phaseTimer: NodeJS.Timeout | undefined;
  /** Called with the publisher whose batch was encoded, and the time that it took, in ms. */
  onCost: ((bareJid: string, ms: number) => void) | undefined;
  /** Follows some of the updates. */
  tracing: Tracing | undefined;
  private immediateHandle: NodeJS.Immediate | undefined;
  private stopped = false;
  private readonly undo: (() => void)[];

  constructor(
    private readonly connection: Connection,
    private readonly stats: ComponentStats,
    private readonly log: Logger,
  ) {
    const resume = (): void => {
      this.queue.gather();
      this.soon();
    };
    this.undo = [connection.on("drain", resume), connection.on("online", resume)];
  }

  /**
   * Books the flush of a lane with new updates. `arrivedWithWindow`: the publisher batches in this lane's own window,
   * so the lane waits no further.
   */
  book(lane: Lane, now: number, arrivedWithWindow: boolean): void {
    const { windowMs, opensAt } = lane;
    if (!lane.active || opensAt === undefined) return;
    if (windowMs === 0 && opensAt <= now) {
      this.immediate.add(lane);
      this.soon();
      return;
    }
    if (lane.dueAt !== undefined || this.parked.has(lane)) return;
    // A tick after the boundary: publishers flush at the same boundaries, and their updates must have arrived.
    const boundaryAfter = (at: number): number => Math.floor(at / windowMs + 1) * windowMs + TICK_MS;
    const idle = now - lane.lastFlushAt >= windowMs;
    const dueAt = arrivedWithWindow || idle ? now : boundaryAfter(now);
    const later = windowMs === 0 ? opensAt : boundaryAfter(opensAt - TICK_MS);
    lane.dueAt = this.clock.add(lane, opensAt <= dueAt ? dueAt : later);
  }

  /** The lane is new. From now on it sends heartbeats. */
  watch(lane: Lane, now: number): void {
    lane.lastBeatAt = now;
    this.bookBeat(lane, now);
  }

  /** The lane's last subscriber has left. */
  unwatch(lane: Lane): void {
    this.forget(lane);
    if (lane.beatAt !== undefined) this.beats.remove(lane, lane.beatAt);
    lane.beatAt = undefined;
  }

  /**
   * Books the next beat a tick early, so that no heartbeat is late. Data books no beat: a beat that finds data is
   * booked again.
   */
  private bookBeat(lane: Lane, from: number): void {
    const { heartbeatMs } = lane.key.selection;
    if (heartbeatMs !== null) lane.beatAt = this.beats.add(lane, from + heartbeatMs - TICK_MS);
  }

  /**
   * Sends a heartbeat to lanes that were silent long enough: the newest value if the selection held it back, and
   * otherwise STATUS.
   */
  private beat(lanes: readonly Lane[], now: number): void {
    const forced: Lane[] = [];
    for (const lane of lanes) {
      const quietSince = Math.max(lane.lastFlushAt, lane.lastBeatAt);
      const silentAt = quietSince + (lane.key.selection.heartbeatMs ?? 0);
      if (now < silentAt - TICK_MS) this.bookBeat(lane, quietSince);
      else if (lane.dueAt !== undefined && lane.dueAt <= silentAt + TICK_MS) {
        // A flush is about to come. The beat must not disturb the lane's window.
        lane.beatAt = this.beats.add(lane, lane.dueAt + TICK_MS);
      } else {
        lane.lastBeatAt = now;
        this.bookBeat(lane, now);
        if (lane.active) lane.force();
        if (!lane.batch.empty) forced.push(lane);
        else if (this.open) this.tellStatus(lane);
      }
    }
    if (forced.length > 0) this.flush(forced, now);
  }

  private tellStatus({ attached, joining, service }: Lane): void {
    const frame = statusFrame(service.told);
    for (const { outlet } of attached) outlet.sendShared(frame);
    for (const { outlet } of joining) outlet.sendShared(frame);
  }

  /**
   * Empties a lane that cannot be flushed, and detaches its subscribers where they stand. Returns these subscribers.
   */
  setAside<M extends LaneMember>(lane: Lane<M>): M[] {
    const members = [...lane.attached, ...lane.joining];
    for (const subscription of members) {
      lane.remove(subscription);
      subscription.position = lane.flushedTo;
      subscription.detached = true;
    }
    this.forget(lane);
    lane.skip();
    return members;
  }

  forget(lane: Lane): void {
    this.unbook(lane);
    this.parked.delete(lane);
  }

  private unbook(lane: Lane): void {
    if (lane.dueAt !== undefined) this.clock.remove(lane, lane.dueAt);
    lane.dueAt = undefined;
    this.immediate.delete(lane);
  }

  /** The writer has something to write. */
  writerPending(writer: QueuedWriter): void {
    this.queue.add(writer);
    this.soon();
  }

  /** The writer has ended. */
  forgetWriter(writer: QueuedWriter): void {
    this.queue.remove(writer);
  }

  /**
   * Sends one subscriber the newest row in a body of its own, for the positions from `from` on, or for the row's own
   * position. Sends nothing to a subscriber that has the row already. `cache`: such bodies of the service.
   */
  sendLast(subscription: Subscription, from: number | undefined, cache: Map<string, ReadyBody>): void {
    const { lane } = subscription;
    const last = lane.newest(from);
    if (last === undefined || !lane.fits(last.row)) return;
    const { offset: to, row, at } = last;
    const isNew = from === undefined || to >= from;
    if (isNew) {
      const key = `${from ?? to}/${to}/${lane.rowKey}`;
      let body = cache.get(key);
      if (body === undefined) {
        this.stats.singleEncodes++;
        body = lane.encodeAlone({ from: from ?? to, to, rows: [row], firstAt: at, lastAt: at });
        // A subscriber that comes back may be at any position, so the cache needs a bound.
        if (cache.size >= KEPT_BODIES) cache.clear();
        cache.set(key, body);
      }
      subscription.send(body);
    }
    lane.meet(last, isNew, monotonicNow());
  }

  /** Sends a subscriber what waits in the lane that it leaves. */
  sendWaiting(subscription: Subscription, lane: Lane): void {
    for (const body of lane.peek()) {
      this.stats.singleEncodes++;
      subscription.send(body);
    }
  }

  /** Flushes the lanes of these services, and writes all that waits, before a stop or a service's end. */
  flushAll(services: Iterable<Service>): void {
    const lanes: Lane[] = [];
    for (const service of services)
      for (const lane of service.lanes.values()) {
        // No rate holds back the last update.
        lane.settle(Infinity);
        if (lane.batch.empty) continue;
        this.forget(lane);
        lanes.push(lane);
      }
    this.flush(lanes, monotonicNow());
    this.write(monotonicNow());
    this.writePhases(monotonicNow());
  }

  stop(): void {
    this.stopped = true;
    this.clock.stop();
    this.beats.stop();
    clearImmediate(this.immediateHandle);
    clearTimeout(this.phaseTimer);
    for (const undo of this.undo) undo();
    this.immediate.clear();
    this.parked.clear();
    this.queue.clear();
  }

  private soon(): void {
    if (this.stopped) return;
    this.immediateHandle ??= setImmediate(() => {
      this.immediateHandle = undefined;
      this.flush([...this.immediate], monotonicNow());
    });
  }

  /** Whether the stream to the server takes more. */
  get open(): boolean {
    return this.connection.state === "online" && this.connection.writable;
  }

  private flush(due: readonly Lane[], now: number, spreads = false): void {
    for (const lane of due) this.unbook(lane);
    if (!this.open) {
      for (const lane of due) this.parked.add(lane);
      return;
    }
    const lanes = [...due, ...this.parked];
    this.parked.clear();
    const isLarge = (lane: Lane): boolean => lane.batch.rows >= LARGE_ROWS;
    const began = monotonicNow();
    for (const lane of lanes) if (!isLarge(lane)) this.tryFlush(lane, now);
    this.stats.flushMs += monotonicNow() - began;
    if (spreads && this.queue.size > BURST_LINKS) this.spread();
    this.write(now);
    // Large batches take long to encode. No other batch of this tick waits for them.
    for (const lane of lanes)
      if (isLarge(lane)) {
        const before = monotonicNow();
        this.tryFlush(lane, now);
        this.stats.flushMs += monotonicNow() - before;
        this.write(now);
      }
  }

  /** Spreads the waiting links over their phases. Links of the first phase are written now. */
  private spread(): void {
    this.queue.spread();
    this.bookPhase(1);
  }

  private bookPhase(phase: number): void {
    clearTimeout(this.phaseTimer);
    if (phase === PHASES) return;
    this.phaseTimer = setTimeout(() => {
      this.write(monotonicNow(), phase);
      this.bookPhase(phase + 1);
    }, PHASE_MS);
  }

  private tryFlush(lane: Lane, now: number): void {
    try {
      this.flushLane(lane, now);
    } catch (error) {
      // One lane's fault must not hold up the others of its tick.
      this.log.error({ err: error, node: lane.service.record.node }, "a lane could not be flushed");
      lane.skip();
    }
  }

  private flushLane(lane: Lane, now: number): void {
    lane.settle(now);
    if (lane.batch.empty) return this.book(lane, now, false);
    this.detachWaiting(lane, now);
    if (!lane.active) return lane.skip(lane.service.record.offset);
    const trace = this.tracing?.leave(lane);
    const batches = this.encode(lane, now);
    this.stats.laneEncodes += batches.length;
    if (lane.windowMs === 0) this.hurry(lane);
    const receivers = lane.attached.size + lane.joining.size;
    for (const { body, independent, conflated } of batches) {
      this.stats.rowsConflated += conflated * receivers;
      countBody(this.stats, body);
      for (const subscription of lane.attached) subscription.send(body);
      for (const subscription of lane.joining) {
        subscription.send(independent ?? body);
        if (independent !== undefined) continue;
        lane.joining.delete(subscription);
        lane.attached.add(subscription);
      }
      if (independent === undefined) continue;
      this.stats.singleEncodes++;
      countBody(this.stats, independent);
    }
    if (trace !== undefined) this.tracing?.passed(trace);
    lane.onFlushed?.();
    // An update that the selection holds back may have a time of its own.
    this.book(lane, now, false);
  }

  private encode(lane: Lane, now: number): ReadyBatch[] {
    if (this.onCost === undefined || lane.batch.bytes <= CHEAP_BYTES || !lane.service.online)
      return lane.encode(now);
    const before = monotonicNow();
    const batches = lane.encode(now);
    this.onCost(lane.service.record.id.owner, monotonicNow() - before);
    return batches;
  }

  /** The links of a lane of window 0 are written at once, with what they already hold. */
  private hurry({ attached, joining }: Lane): void {
    if (!this.queue.isSpread) return;
    for (const { outlet } of attached) this.queue.hurry(outlet.writer);
    for (const { outlet } of joining) this.queue.hurry(outlet.writer);
  }

  /**
   * Detaches each subscriber that has too much unacknowledged, or unread, until it acknowledges or gives credit. No
   * other subscriber waits for it.
   */
  private detachWaiting(lane: Lane, now: number): void {
    for (const members of [lane.attached, lane.joining]) {
      for (const subscription of members) {
        const { outlet } = subscription;
        if (subscription.hasCredit && outlet.maySendAt(now)) continue;
        subscription.detached = true;
        subscription.position = lane.flushedTo;
        lane.remove(subscription);
        outlet.awaitRoom();
        this.stats.detachments++;
      }
    }
  }

  /** Writes the stanzas of the next write, or of a phase. */
  private write(now: number, phase?: number): void {
    if (this.connection.state !== "online") return;
    let text = "";
    let count = 0;
    const send = (): void => {
      this.connection.send(text, count, true);
      this.stats.writes++;
      this.stats.stanzasSent += count;
      text = "";
      count = 0;
    };
    const clock = monotonicNow();
    for (const writer of this.queue.take(phase)) {
      const unackedBefore = writer.unacked;
      for (const stanza of writer.takeStanzas(now, clock)) {
        text += stanza;
        count++;
        // A lean stanza has no children.
        const isLean = stanza.charCodeAt(stanza.length - 2) === SLASH;
        this.stats.sentChars[isLean ? "lean" : "ibb"] += stanza.length;
        if (text.length >= WRITE_CHARS) send();
      }
      this.stats.dataStanzasSent += writer.unacked - unackedBefore;
    }
    if (count > 0) send();
    this.tracing?.written();
  }

  /** Writes what is left of a large tick. */
  private writePhases(now: number): void {
    if (this.queue.isSpread) for (let phase = 1; phase < PHASES; phase++) this.write(now, phase);
  }
}

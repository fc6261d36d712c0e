import type { Connection } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { ClientLink } from "./client-link.js";
import { TICK_MS, TickClock } from "./clock.js";
import { formatEncoding, type Lane, type ReadyBody } from "./lane.js";
import type { Service } from "./service.js";
import type { ComponentStats } from "./stats.js";
import type { Subscription } from "./subscription.js";

/** Characters gathered before a write: larger strings gain nothing, smaller ones cost a system call each. */
const WRITE_CHARS = 65_536;
/** Batches of so many rows and more are coded after the others of their tick. 256: a millisecond or more. */
const LARGE_ROWS = 256;

/**
 * The hot path: lanes become due, each encodes once, links gather what is theirs, one write takes it all. While the
 * stream to the server is down or backed up nothing is encoded; lanes conflate within their bounds.
 */
export class FanOut {
  private readonly clock = new TickClock<Lane>((lanes, now) => this.flush(lanes, now));
  /** Lanes of window 0 with something new. */
  private readonly immediate = new Set<Lane>();
  /** Due lanes that wait for the stream. */
  private readonly parked = new Set<Lane>();
  /** Links with something to write. */
  private readonly pending = new Set<ClientLink>();
  /** Told whose batch was coded, and how long that took, in ms. */
  onCost: ((bareJid: string, ms: number) => void) | undefined;
  private immediateHandle: NodeJS.Immediate | undefined;
  private stopped = false;
  private readonly undo: (() => void)[];

  constructor(
    private readonly connection: Connection,
    private readonly stats: ComponentStats,
    private readonly log: Logger,
  ) {
    const resume = (): void => this.soon();
    this.undo = [connection.on("drain", resume), connection.on("online", resume)];
  }

  /** A lane got something new. `arrivedWithWindow`: the publisher batches in this lane's own window, so no tick is added. */
  book(lane: Lane, now: number, arrivedWithWindow: boolean): void {
    if (!lane.active) return;
    if (lane.windowMs === 0) {
      this.immediate.add(lane);
      this.soon();
      return;
    }
    if (lane.dueAt !== undefined || this.parked.has(lane)) return;
    const idle = now - lane.lastFlushAt >= lane.windowMs;
    // A tick after the boundary: publishers batch to the same boundaries, and theirs must have arrived.
    const boundary = Math.floor(now / lane.windowMs + 1) * lane.windowMs + TICK_MS;
    lane.dueAt = this.clock.add(lane, arrivedWithWindow || idle ? now : boundary);
  }

  forget(lane: Lane): void {
    if (lane.dueAt !== undefined) this.clock.remove(lane, lane.dueAt);
    lane.dueAt = undefined;
    this.immediate.delete(lane);
    this.parked.delete(lane);
  }

  linkPending(link: ClientLink): void {
    this.pending.add(link);
    this.soon();
  }

  forgetLink(link: ClientLink): void {
    this.pending.delete(link);
  }

  /**
   * A body for one subscriber that is not its lane's: positions `from`..the service's newest, its newest row alone. `cache`: of
   * such bodies of that service at that newest position.
   */
  sendLast(subscription: Subscription, from: number, cache: Map<string, ReadyBody>): void {
    const { service } = subscription;
    const { last, offset } = service;
    if (last === undefined || offset < from || !subscription.lane.fits(last.row)) return;
    const key = `${from}/${formatEncoding(subscription.lane.key)}`;
    let body = cache.get(key);
    if (body === undefined) {
      this.stats.singleEncodes++;
      body = subscription.lane.encodeAlone({
        from,
        to: offset,
        rows: [last.row],
        firstAt: last.at,
        lastAt: last.at,
      });
      cache.set(key, body);
    }
    subscription.link.append(subscription.ready[body.form] + body.base64, true);
  }

  /** What waits in a lane that the subscriber leaves. */
  sendWaiting(subscription: Subscription, lane: Lane): void {
    for (const body of lane.peek()) {
      this.stats.singleEncodes++;
      subscription.link.append(subscription.ready[body.form] + body.base64, true);
    }
  }

  /** Writes what waits now: before a stop, or a service's end. */
  flushAll(services: Iterable<Service>): void {
    const lanes: Lane[] = [];
    for (const service of services)
      for (const lane of service.lanes.values()) {
        if (lane.batch.empty) continue;
        this.forget(lane);
        lanes.push(lane);
      }
    this.flush(lanes, Date.now());
    this.write(Date.now());
  }

  stop(): void {
    this.stopped = true;
    this.clock.stop();
    clearImmediate(this.immediateHandle);
    for (const undo of this.undo) undo();
    this.immediate.clear();
    this.parked.clear();
    this.pending.clear();
  }

  private soon(): void {
    if (this.stopped) return;
    this.immediateHandle ??= setImmediate(() => {
      this.immediateHandle = undefined;
      this.flush([...this.immediate], Date.now());
    });
  }

  /** The stream to the server takes more. */
  get open(): boolean {
    return this.connection.state === "online" && this.connection.writable;
  }

  private flush(due: readonly Lane[], now: number): void {
    for (const lane of due) {
      lane.dueAt = undefined;
      this.immediate.delete(lane);
    }
    if (!this.open) {
      for (const lane of due) this.parked.add(lane);
      return;
    }
    const lanes = [...due, ...this.parked];
    this.parked.clear();
    const isLarge = (lane: Lane): boolean => lane.batch.rows >= LARGE_ROWS;
    for (const lane of lanes) if (!isLarge(lane)) this.tryFlush(lane, now);
    this.write(now);
    // Theirs take long to code: nobody else's batch of this tick waits for them.
    for (const lane of lanes)
      if (isLarge(lane)) {
        this.tryFlush(lane, now);
        this.write(now);
      }
  }

  private tryFlush(lane: Lane, now: number): void {
    try {
      this.flushLane(lane, now);
    } catch (error) {
      // One lane's fault must not hold up the others of its tick.
      this.log.error({ err: error, node: lane.service.node }, "a lane could not be flushed");
      lane.skip();
    }
  }

  private flushLane(lane: Lane, now: number): void {
    if (lane.batch.empty) return;
    this.detachWaiting(lane);
    if (!lane.active) {
      lane.skip();
      lane.flushedTo = lane.service.offset;
      return;
    }
    const before = performance.now();
    const batches = lane.encode(now);
    const { publisher } = lane.service;
    if (publisher !== undefined) this.onCost?.(publisher.link.bareJid, performance.now() - before);
    this.stats.laneEncodes += batches.length;
    for (const { body, independent } of batches) {
      for (const subscription of lane.attached)
        subscription.link.append(subscription.ready[body.form] + body.base64, true);
      for (const subscription of lane.joining) {
        const theirs = independent ?? body;
        subscription.link.append(subscription.ready[theirs.form] + theirs.base64, true);
        if (independent !== undefined) continue;
        lane.joining.delete(subscription);
        lane.attached.add(subscription);
      }
      if (independent !== undefined) this.stats.singleEncodes++;
    }
  }

  /** Whoever has too much unacknowledged gets nothing until acknowledgements come; nobody else waits. */
  private detachWaiting(lane: Lane): void {
    for (const members of [lane.attached, lane.joining]) {
      for (const subscription of members) {
        const { link } = subscription;
        if (link.session.maySendData) continue;
        subscription.detached = true;
        subscription.position = lane.flushedTo;
        lane.remove(subscription);
        link.detached.add(subscription);
        this.stats.detachments++;
      }
    }
  }

  private write(now: number): void {
    if (this.pending.size === 0 || this.connection.state !== "online") return;
    let text = "";
    let count = 0;
    const send = (): void => {
      this.connection.send(text, count);
      this.stats.writes++;
      this.stats.stanzasSent += count;
      text = "";
      count = 0;
    };
    for (const link of this.pending) {
      this.pending.delete(link);
      const unackedBefore = link.session.unacked;
      for (const stanza of link.takeStanzas(now)) {
        text += stanza;
        count++;
        if (text.length >= WRITE_CHARS) send();
      }
      this.stats.dataStanzasSent += link.session.unacked - unackedBefore;
    }
    if (count > 0) send();
  }
}

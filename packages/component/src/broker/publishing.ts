import {
  StanzapackError,
  type CodedFrame,
  type DataBatch,
  type DataFrame,
  type Value,
} from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import type { Later } from "../base/later.js";
import type { ComponentStats } from "../base/stats.js";
import { assertOpaqueFrame, assertOpaqueRows } from "../catalog/opaque.js";
import type { Publisher, Service } from "../catalog/service.js";
import type { ComponentLimits } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { NewestValues } from "../fanout/newest-values.js";
import { rememberValue } from "../fanout/row-values.js";
import { Arrival } from "../fanout/selector.js";
import type { Tracing } from "../tracing/tracing.js";
import type { UpdateTrace } from "../tracing/update-trace.js";

/** Rows that wait no longer than this keep their values, in ms: a value takes several times the memory of a row. */
const REMEMBERED_MS = 1_000;

/**
 * The first part of a value's way through the component: read, accept, store, deliver. `Lane.push` and `FanOut.book`
 * begin the second part: schedule, flush, write.
 */
export class Publishing {
  /** Called when the service takes none of the updates that arrived, and why. */
  onRefused: ((service: Service, error: StanzapackError) => void) | undefined;
  /** Called when a publisher has skipped this many updates, because it no longer has them. */
  onLost: ((service: Service, updates: number) => void) | undefined;
  /** Follows some of the updates. */
  tracing: Tracing | undefined;
  /**
   * Returns whether this node may take updates of the service now. If not, the call has taken the lease back from the
   * publisher. Undefined: there is one node, and it always may.
   */
  mayTake: ((service: Service, now: number) => boolean) | undefined;
  /** Called when subscribers may see new updates of a service. `before`: the highest offset before them. */
  onDelivered: ((service: Service, arrival: Arrival, before: number) => void) | undefined;
  /** Called when updates could not be stored. The service has only what was stored before. */
  onUnstored: ((service: Service, error: unknown) => void) | undefined;

  constructor(
    private readonly fanOut: FanOut,
    private readonly newest: NewestValues,
    private readonly limits: ComponentLimits,
    private readonly stats: ComponentStats,
  ) {}

  /** Takes DATA of a service from its publisher's own link, at the monotonic time `now`. Throws what ends that link. */
  publish(service: Service, frame: DataFrame | CodedFrame, now: number): void {
    const { publisher } = service;
    if (publisher === undefined || this.mayTake?.(service, now) === false) return;
    const trace = this.tracing?.begin(service);
    const batch = this.read(service, publisher, frame);
    trace?.pass("read");
    const { throttle } = publisher.link;
    throttle.updates += batch.rows.length;
    this.take(service, batch, now, throttle.owes, trace);
  }

  /**
   * Takes updates that are decoded already. `conflates`: the publisher is over its budget, and only the newest row of a
   * service without history is sent on.
   */
  take(
    service: Service,
    batch: DataBatch<Uint8Array>,
    now: number,
    conflates = false,
    trace?: UpdateTrace,
  ): void {
    const refusal = service.kind.check?.(service, batch.rows);
    if (refusal !== undefined) return this.onRefused?.(service, refusal);
    const arrival = this.accept(service, batch, now, conflates);
    if (arrival !== undefined) {
      arrival.trace = trace;
      return this.store(service, arrival, now);
    }
    // All rows are repeated. For subscribers without a value, that is the answer to new demand.
    this.newest.settle(service);
    const { record } = service;
    const { current, sequence } = record.incarnations;
    const note = (): void => {
      if (service.record === record) noteStored(service, current, sequence);
    };
    if (service.storing === undefined) note();
    else keepInLine(service, service.storing.then(note));
  }

  /**
   * Has the kind keep the updates. Once these updates and all before them are stored, tells their publisher that it
   * need not keep them, and gives them to the lanes.
   */
  private store(service: Service, arrival: Arrival, now: number): void {
    const { record } = service;
    const { current, sequence } = record.incarnations;
    const before = service.storing;
    let stored: Later<void>;
    try {
      stored = service.kind.keep(service, arrival);
    } catch (error) {
      stored = Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
    if (before === undefined && !(stored instanceof Promise)) {
      noteStored(service, current, sequence);
      return this.deliver(service, arrival, now);
    }
    const done = Promise.all([before, stored]).then(
      () => {
        // Another node may own the service by now, and has read what is stored.
        if (service.record !== record) return;
        noteStored(service, current, sequence);
        this.deliver(service, arrival, monotonicNow());
      },
      (error: unknown) => (service.record === record ? this.giveUp(service, error) : undefined),
    );
    keepInLine(service, done);
  }

  /** The updates since the last that were stored count as not arrived. Their publisher offers the service again. */
  private giveUp(service: Service, error: unknown): void {
    const { record } = service;
    record.given = record.offset;
    record.incarnations.forgetUnstored();
    this.onUnstored?.(service, error);
  }

  /** Decodes the rows. */
  private read(
    service: Service,
    { link, reader }: Publisher,
    frame: DataFrame | CodedFrame,
  ): DataBatch<Uint8Array> {
    const { opaque } = service.config;
    if (opaque === true) assertOpaqueFrame(frame);
    // Frames are in order and without a hole. Otherwise the bytestream has ended the link.
    const before = reader.bytes;
    const batch = reader.readPacked(frame, true, link.session.budget);
    link.readerBytes += reader.bytes - before;
    if (link.readerBytes > this.limits.maxReaderBytesPerLink)
      throw new StanzapackError(
        "limit-exceeded",
        `reading the services of this link takes over ${this.limits.maxReaderBytesPerLink} bytes of memory`,
        { origin: "peer" },
      );
    if (batch === undefined)
      throw new StanzapackError("gap", "DATA continues a body that did not arrive", { origin: "peer" });
    const { rows, values } = batch;
    if (opaque === true) assertOpaqueRows(rows);
    else if (values !== undefined && service.slowestWindowMs <= REMEMBERED_MS)
      for (const [i, row] of rows.entries()) rememberValue(row, values[i] as Value);
    return batch;
  }

  /**
   * Drops the repeated rows, and gives the others the next offsets of the service, and a time. Returns what is left.
   * Undefined: every row was repeated. `conflates`: see `take`.
   */
  private accept(
    service: Service,
    batch: DataBatch<Uint8Array>,
    now: number,
    conflates: boolean,
  ): Arrival | undefined {
    const { epoch, from: first, to: last, rows } = batch;
    const range = last - first + 1;
    if (rows.length > range)
      throw new StanzapackError("malformed", `DATA of ${range} positions has ${rows.length} rows`, {
        origin: "peer",
      });
    if (epoch === 0) throw new StanzapackError("malformed", "DATA with incarnation 0", { origin: "peer" });
    const { record } = service;
    const { incarnations } = record;
    incarnations.enter(epoch);
    const { sequence } = incarnations;
    if (last <= sequence) return undefined;
    // A jump is a loss that the publisher declares: those positions are never used, so subscribers see the hole.
    const lost = sequence === 0 ? 0 : Math.max(0, first - sequence - 1);
    const fresh = last - Math.max(sequence + 1, first) + 1;
    const most = conflates && !service.kind.keepsUpdates ? 1 : fresh;
    const kept = rows.length > most ? rows.slice(rows.length - most) : rows;
    if (!Number.isSafeInteger(record.given + lost + fresh)) {
      throw new StanzapackError("malformed", `DATA up to ${last} leaves no offsets for \`${service.node}\``, {
        origin: "peer",
      });
    }
    incarnations.advance(last);
    const from = record.given + lost + 1;
    const to = record.given + lost + fresh;
    record.given = to;
    this.stats.updatesIn += kept.length;
    service.traffic.rowsIn += kept.length;
    const newest = kept.at(-1);
    if (newest !== undefined) service.traffic.newest = { row: newest, cameAt: now };
    this.stats.positionsLost += lost;
    if (lost > 0) this.onLost?.(service, lost);
    // A time before the base of `at` cannot be sent.
    const newestAt = Math.max(record.oldestAt, now - batch.at);
    const step = rows.length > 1 ? batch.spanMs / (rows.length - 1) : 0;
    const ats = kept.map((_, i) => newestAt - step * (kept.length - 1 - i));
    return new Arrival(from, to, kept, ats);
  }

  /**
   * Lets subscribers see the updates: gives the rows to each lane, and books the lane's next flush. Nobody awaits a
   * first value any more.
   */
  private deliver(service: Service, arrival: Arrival, now: number): void {
    const { offset } = service.record;
    this.show(service, arrival, now);
    this.onDelivered?.(service, arrival, offset);
  }

  /** The same for updates of a service that another node owns, which has stored them. */
  follow(service: Service, arrival: Arrival, now: number): void {
    service.record.given = arrival.to;
    service.traffic.rowsIn += arrival.rows.length;
    const newest = arrival.rows.at(-1);
    if (newest !== undefined) service.traffic.newest = { row: newest, cameAt: now };
    this.show(service, arrival, now);
  }

  private show(service: Service, arrival: Arrival, now: number): void {
    const { record, kind } = service;
    record.offset = arrival.to;
    // Of a map, no single row says what its value is.
    if (service.config.kind !== "map") record.last = arrival.copyNewest();
    service.newest = undefined;
    service.awaiting.clear();
    kind.kept(service, arrival);
    const { trace } = arrival;
    trace?.pass("store");
    for (const lane of service.lanes.values()) {
      lane.push(arrival, now);
      this.fanOut.book(lane, now, lane.windowMs === service.demand.windowMs);
    }
    if (trace !== undefined) this.tracing?.delivered(trace, service.lanes.values());
  }
}

/** What comes next waits for `storing`. */
function keepInLine(service: Service, storing: Promise<void>): void {
  service.storing = storing;
  void storing.then(() => {
    if (service.storing === storing) service.storing = undefined;
  });
}

function noteStored({ record, publisher, kind }: Service, incarnation: number, sequence: number): void {
  const { incarnations } = record;
  incarnations.store(incarnation, sequence);
  if (kind.keepsUpdates)
    publisher?.link.noteKept(publisher.alias, incarnation, incarnations.storedOf(incarnation));
}

import { DEFAULT_LIMITS, encodeUpdate, type RowBatch, type Selection, type Value } from "@stanzapack/wire";
import type { LastValue } from "../catalog/service-record.js";
import { valueOf } from "./row-values.js";
import type { UpdateTrace } from "../tracing/update-trace.js";

/** One update of a service, as a selection lets it through. */
export interface SelectedUpdate {
  readonly offset: number;
  readonly row: Uint8Array;
  /** Monotonic clock of the component, in ms. */
  readonly at: number;
}

/**
 * The positions `from` to `to`. `rows` are the newest of them, and `ats` has the monotonic time of each row. Values are
 * decoded once for all lanes that need them.
 */
export class Arrival {
  /** The way of these updates, if it is followed. */
  trace: UpdateTrace | undefined;
  private decoded: readonly Value[] | undefined;

  constructor(
    readonly from: number,
    readonly to: number,
    readonly rows: readonly Uint8Array[],
    readonly ats: readonly number[],
  ) {}

  get values(): readonly Value[] {
    return (this.decoded ??= this.rows.map(valueOf));
  }
  /** Returns the newest row. It is a copy, since a row is a view that would keep its whole block alive. */
  copyNewest(): LastValue {
    const newest = this.rows.length - 1;
    return { row: (this.rows[newest] as Uint8Array).slice(), at: this.ats[newest] as number };
  }
}

/** The fields that a selection takes of each value. */
export class Projection {
  private readonly names: ReadonlySet<string>;

  constructor(names: readonly string[]) {
    this.names = new Set(names);
  }

  /** Returns a row with the named fields alone. */
  project(row: Uint8Array, value: Value = valueOf(row)): Uint8Array {
    return isObject(value) ? encodeUpdate(this.pick(value), DEFAULT_LIMITS) : row;
  }

  /** Returns the named fields of an object, in the object's order. Other values pass whole. */
  pick(value: Value): Value {
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).filter(([name]) => this.names.has(name)));
  }
}

/**
 * Moves the updates that `samples`, `max_rate` and `deadband` let through into a lane's batch. An update that they
 * leave out is in the range of the next selected update, so it counts as conflated. An update is selected if it differs
 * from the last selected one by more than the deadband, and comes 1/`max_rate` s after it. Until then the newest update
 * waits. In front of a hole the newest is selected in any case: updates that were left out must not look lost.
 */
export class Selector {
  /** The last selected update. */
  last: SelectedUpdate | undefined;
  private lastValue: Value | undefined;
  /** When the last update was selected, as the rate counts it, in ms. */
  private wentAt = -Infinity;
  /** The first position that no selected update covers. */
  private next: number;
  /** The newest position that arrived. */
  private seen: number;
  /** The newest update, if it was not selected. */
  private waiting: SelectedUpdate | undefined;
  /** The waiting update may be selected before another one arrives. */
  private mayGo = false;
  /** The next update is selected, whatever the deadband. */
  private insists = false;
  private readonly intervalMs: number;

  constructor(
    private readonly selection: Selection,
    private readonly batch: RowBatch,
    offset: number,
  ) {
    this.seen = offset;
    this.next = offset + 1;
    this.intervalMs = selection.maxRate === null ? 0 : 1_000 / selection.maxRate;
  }

  /** Whether all members compare with `last`, so that a member that joins receives the same update first. */
  get shared(): boolean {
    return this.selection.deadband !== null || this.intervalMs > 0;
  }
  /** The last position that a selected update covers. */
  get settledTo(): number {
    return this.next - 1;
  }
  /** Earliest time at which an update may leave, in ms. Undefined: not before another update arrives. */
  get opensAt(): number | undefined {
    if (!this.batch.empty) return -Infinity;
    return this.waiting !== undefined && this.mayGo ? this.wentAt + this.intervalMs : undefined;
  }

  /**
   * Takes new updates. `rows` are as the lane sends them. Undefined stands for a row that the lane cannot send, and
   * which will be lost. `live`: somebody receives the selected updates.
   */
  push(
    { from, to, ats }: Arrival,
    rows: readonly (Uint8Array | undefined)[],
    live: boolean,
    now: number,
  ): void {
    // A clock that was set back must not keep everything waiting.
    this.wentAt = Math.min(this.wentAt, now);
    const first = to - rows.length + 1;
    for (const [i, row] of rows.entries()) {
      const offset = first + i;
      const begins = i === 0 ? from : offset;
      if (live && begins !== this.seen + 1) this.leaveHole(begins);
      this.seen = offset;
      if (row !== undefined) this.offer({ offset, row, at: ats[i] as number }, live);
      else if (live) this.leaveHole(offset + 1);
    }
  }

  private leaveHole(next: number): void {
    this.force();
    this.next = next;
  }

  private offer(update: SelectedUpdate, live: boolean): void {
    const { intervalMs } = this;
    const dueAt = this.wentAt + intervalMs;
    if (!live || this.selection.samples === "latest") return this.wait(update, true);
    if (update.at < dueAt) return this.wait(update, this.differs(update));
    // There was time for the waiting update and for this one.
    if (this.waiting !== undefined && this.mayGo && update.at >= dueAt + intervalMs) this.settle(dueAt);
    if (this.differs(update)) this.take(update, update.at);
    else this.wait(update, false);
  }

  private wait({ offset, row, at }: SelectedUpdate, mayGo: boolean): void {
    // A copy, because the row is a view that would keep its whole block alive.
    this.waiting = { offset, row: row.slice(), at };
    this.mayGo = mayGo;
  }

  /** Selects the waiting update, if it may leave now. */
  settle(now: number): void {
    const { waiting, wentAt, intervalMs } = this;
    if (waiting === undefined || !this.mayGo || now < wentAt + intervalMs) return;
    if (this.differs(waiting)) this.take(waiting, Math.max(wentAt + intervalMs, waiting.at));
    else this.mayGo = false;
  }

  /** Selects the waiting update, whatever holds it back. */
  force(): void {
    if (this.waiting !== undefined) this.take(this.waiting, Math.max(this.wentAt, this.waiting.at));
  }

  private take(update: SelectedUpdate, at: number): void {
    this.batch.push(this.next, update.offset, [update.row], [update.at]);
    this.remember(update, at);
  }

  private remember(update: SelectedUpdate, at: number): void {
    const { offset, row } = update;
    this.last = { offset, row: update === this.waiting ? row : row.slice(), at: update.at };
    if (this.selection.deadband !== null) this.lastValue = valueOf(this.last.row);
    this.wentAt = at;
    this.next = offset + 1;
    this.waiting = undefined;
    this.insists = false;
  }

  /**
   * One member has `update` on its own. If it was sent (`isSent`) before any update was selected, later updates are
   * compared with it. If it is newer than the last selected update, and not near that, the next update is selected in
   * any case. So all members have the same value again.
   */
  meet(update: SelectedUpdate, isSent: boolean, now: number): void {
    if (this.last === undefined) {
      if (isSent && this.waiting === undefined) this.remember(update, now);
    } else if (update.offset > this.last.offset && this.differs(update)) this.insists = this.mayGo = true;
  }

  private differs({ row }: SelectedUpdate): boolean {
    const { deadband } = this.selection;
    if (deadband === null || this.lastValue === undefined || this.insists) return true;
    return !isWithin(this.lastValue, valueOf(row), deadband);
  }
}

/**
 * Returns whether two values differ by no more than `deadband`, as numbers or as fields of objects, and in nothing
 * else.
 */
export function isWithin(a: Value, b: Value, deadband: number): boolean {
  if (isNear(a, b, deadband)) return true;
  if (!isObject(a) || !isObject(b)) return isSame(a, b);
  return haveSameFields(a, b, (x, y) => isNear(x, y, deadband) || isSame(x, y));
}

function isNear(a: Value, b: Value, deadband: number): boolean {
  return typeof a === "number" && typeof b === "number" && Math.abs(a - b) <= deadband;
}

/** Returns whether two values are the same. NaN is the same as NaN, and fields have no order. */
function isSame(a: Value, b: Value): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (isObject(a) && isObject(b)) return haveSameFields(a, b, isSame);
  const [list, other] = [a, b].map((value) =>
    Array.isArray(value) || value instanceof Uint8Array ? (value as ArrayLike<Value>) : undefined,
  );
  if (list === undefined || other === undefined || Array.isArray(a) !== Array.isArray(b)) return false;
  if (list.length !== other.length) return false;
  for (let i = 0; i < list.length; i++) if (!isSame(list[i] as Value, other[i] as Value)) return false;
  return true;
}

type Fields = { readonly [key: string]: Value };

function haveSameFields(a: Fields, b: Fields, agree: (x: Value, y: Value) => boolean): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && agree(a[name] as Value, b[name] as Value));
}

function isObject(value: Value): value is Fields {
  return (
    value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

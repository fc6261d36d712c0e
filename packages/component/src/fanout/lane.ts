import {
  beginsAnew,
  DATA_HEADER_BYTES,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeLaneBody,
  isolatedParts,
  LaneEncoder,
  padOfBody,
  RowBatch,
  type BatchSlice,
  type LaneBatch,
  type LaneBody,
  type RowCodec,
  isThinning,
  keyTest,
  type Selection,
  type ServiceStatus,
  WHOLE,
} from "@stanzapack/wire";
import { encodeBase64, leanBody, wallAheadMs } from "@stanzapack/xmpp";
import type { ServiceRecord } from "../catalog/service-record.js";
import type { ComponentLimits } from "../config/config.js";
import { KeyFilter } from "./key-filter.js";
import type { LaneMemory } from "./lane-memory.js";
import type { Outlet, OutletFormat, Subscriber } from "./outlet.js";
import { type Arrival, Projection, Selector, type SelectedUpdate } from "./selector.js";
import { ReadyBody } from "./ready-body.js";
import { valueOf } from "./row-values.js";

/** One batch of a lane, encoded once for everyone. */
export interface ReadyBatch {
  readonly body: ReadyBody;
  /**
   * Body for members that are not on the chain yet. Undefined: `body` serves them too, and they are on the chain from
   * here on.
   */
  readonly independent: ReadyBody | undefined;
  /** Positions of the body without a row. */
  readonly conflated: number;
}

/** The parts of the component that lanes share. */
export interface LaneContext {
  /** Codec of plain rows. */
  readonly rows: RowCodec;
  /** Codec of rows that are deflated if that is smaller. Default: `rows`. */
  readonly deflatedRows?: RowCodec;
  readonly limits: ComponentLimits;
  /** Returns a random number of 32 bits, never 0. */
  readonly randomId: () => number;
  readonly memory: LaneMemory;
}

/** Properties that all subscribers of one lane have in common, so that they can share every byte. */
export interface LaneKey extends OutletFormat {
  readonly windowMs: number;
  readonly selection: Selection;
}

/** The part of a service that a lane reads. */
export interface LaneSource {
  readonly record: ServiceRecord;
  /** Whether the service has a publisher now. */
  readonly online: boolean;
  readonly told: { readonly status: ServiceStatus; readonly windowMs: number | null };
}

/** The part of a subscription that a lane knows. */
export interface LaneMember {
  readonly outlet: Outlet;
  /** The subscription takes no bodies of its lane at present. */
  detached: boolean;
  /** The last offset that a detached subscription was sent. */
  position: number;
  readonly hasCredit: boolean;
  send(body: ReadyBody): void;
}

export function formatLaneKey(key: LaneKey): string {
  const { delivery, windowMs, sizeClass, selection } = key;
  return `${delivery}/${windowMs}/${sizeClass}/${formatEncoding(key)}/${formatSelection(selection)}`;
}

const SELECTION_PARTS = Object.keys(WHOLE) as readonly (keyof Selection)[];

/** The heartbeat is part of the text, because a lane sends it to all members. */
export function formatSelection(selection: Selection): string {
  return JSON.stringify(SELECTION_PARTS.map((part) => selection[part]));
}

function formatEncoding({ coded, codesMaps, deflates, hop }: OutletFormat): string {
  return `${coded ? (codesMaps === true ? "map" : "coded") : deflates === true ? "deflated" : "rows"}/${hop}`;
}

/**
 * The subscribers of one service that share a window, a size class, a codec, a hop class and a selection. Holds the
 * updates that wait for their next tick.
 */
export class Lane<M extends LaneMember = LaneMember> {
  /** Members whose next bytes are this lane's next body. The other members are detached and wait for their outlet. */
  readonly attached = new Set<M>();
  /** Members that wait for a body that needs none before it. Until then they receive bodies of their own. */
  readonly joining = new Set<M>();
  /** The subscriber in whose budget the lane counts. Undefined: in nobody's. */
  payer: Subscriber | undefined;
  /** Count of all members, detached ones too. */
  members = 0;
  readonly batch: RowBatch;
  /** The last offset that left. */
  flushedTo: number;
  /** When a body left last, in ms. It shows whether the lane is idle or busy. */
  lastFlushAt = -Infinity;
  /** When the lane sent its last heartbeat, or began, in ms. */
  lastBeatAt = -Infinity;
  /** The tick that the lane is booked for. */
  dueAt: number | undefined;
  /** The tick that the lane's next beat is booked for. */
  beatAt: number | undefined;
  /** Called when the lane's bodies have left, and nothing waits in the lane. */
  onFlushed: (() => void) | undefined;
  /** Lanes of one service that agree in this encode a single row alike. */
  readonly rowKey: string;
  /** Undefined: the lane sends every update. */
  private readonly selector: Selector | undefined;
  /** The service's newest value, as the lane sends it. */
  private known: SelectedUpdate | undefined;
  /** Undefined: the lane sends whole values. */
  private readonly projection: Projection | undefined;
  /** Undefined: the lane sends all keys, or its service is no map. */
  private readonly keyFilter: KeyFilter | undefined;
  /** Undefined: the lane sends plain rows. */
  private encoder: LaneEncoder | undefined;

  constructor(
    readonly service: LaneSource,
    readonly key: LaneKey,
    private readonly context: LaneContext,
  ) {
    const { limits } = context;
    this.batch = new RowBatch({
      get maxRows() {
        return limits.laneMaxRows;
      },
      get maxBytes() {
        return limits.laneMaxBytes;
      },
    });
    this.flushedTo = service.record.offset;
    const { selection } = key;
    if (isThinning(selection)) this.selector = new Selector(selection, this.batch, this.flushedTo);
    if (selection.fields !== null) this.projection = new Projection(selection.fields);
    const takes = keyTest(selection);
    if (takes !== undefined) this.keyFilter = new KeyFilter(takes);
    this.rowKey = `${formatEncoding(key)}/${JSON.stringify(selection.fields)}`;
  }

  get windowMs(): number {
    return this.key.windowMs;
  }
  /** See `EncodingLane`. */
  get account(): string {
    return this.payer?.bareJid ?? this.service.record.id.owner;
  }
  /** Whether any member receives the next body. */
  get active(): boolean {
    return this.attached.size + this.joining.size > 0;
  }
  /** Most bytes of rows that a body may have. */
  get maxBytes(): number {
    return this.key.sizeClass - DATA_HEADER_BYTES;
  }
  /** Earliest time at which an update may leave, in ms. Undefined: not before another update arrives. */
  get opensAt(): number | undefined {
    if (this.selector !== undefined) return this.selector.opensAt;
    return this.batch.empty ? undefined : -Infinity;
  }
  /** Position of a subscriber that has everything that left, and everything that waits in the batch. */
  get standsAt(): number {
    return this.selector?.settledTo ?? this.service.record.offset;
  }
  /**
   * Returns the value for a subscriber that needs the positions from `from` on, or is new. With a rate or a deadband,
   * it is the last one that the lane sent, unless the subscriber is beyond that. Otherwise it is the newest.
   */
  newest(from: number | undefined): SelectedUpdate | undefined {
    const shared = this.selector?.shared === true ? this.selector.last : undefined;
    if (shared !== undefined && shared.offset + 1 >= (from ?? 0)) return shared;
    const { last, offset } = this.service.record;
    if (last !== undefined && this.known?.offset !== offset)
      this.known = { offset, row: this.project(last.row), at: last.at };
    return last && this.known;
  }
  /** Returns whether this much more would exceed what may wait in the lane. */
  overflows(rows: number, bytes: number): boolean {
    const { laneMaxRows, laneMaxBytes } = this.context.limits;
    return this.batch.rows + rows > laneMaxRows || this.batch.bytes + bytes > laneMaxBytes;
  }

  /**
   * Takes new updates. While nobody receives them, the lane drops them. A lane with a selector keeps the newest, to
   * compare with it.
   */
  push(arrival: Arrival, now: number): void {
    const { active, projection } = this;
    if (this.selector === undefined && !active) return this.skip(arrival.to);
    if (this.keyFilter !== undefined) return this.pushKeys(arrival, this.keyFilter);
    const rows =
      projection === undefined
        ? arrival.rows
        : arrival.rows.map((row, i) => projection.project(row, arrival.values[i]));
    if (this.selector === undefined) return this.batch.push(arrival.from, arrival.to, rows, arrival.ats);
    this.selector.push(
      arrival,
      rows.map((row) => (this.fits(row) ? row : undefined)),
      active,
      now,
    );
  }

  /** Takes updates of a map. Rows without a taken key count as left out. */
  private pushKeys({ to, rows, ats }: Arrival, filter: KeyFilter): void {
    for (const [i, row] of rows.entries()) {
      const taken = filter.take(row);
      const offset = to - rows.length + 1 + i;
      const from = (this.batch.empty ? this.flushedTo : this.batch.to) + 1;
      if (taken !== undefined) this.batch.push(from, offset, [taken], [ats[i] as number]);
    }
  }

  /** Moves into the batch what the selection lets through by now. */
  settle(now: number): void {
    this.selector?.settle(now);
  }

  /** Moves the newest update into the batch, if the selection held it back. */
  force(): void {
    this.selector?.force();
  }

  /** One member has this update on its own, beside the lane's bodies. `isSent`: it was sent just now. */
  meet(update: SelectedUpdate, isSent: boolean, now: number): void {
    if (this.selector?.shared === true) this.selector.meet(update, isSent, now);
  }

  /** Returns the row as the lane sends it. */
  project(row: Uint8Array): Uint8Array {
    return this.projection?.project(row) ?? row;
  }

  /** Adds a member, which is on the chain from the next body that needs none before it. */
  add(member: M): void {
    this.joining.add(member);
    this.encoder?.wantKey();
  }

  /** Drops the encoder, and gives its memory back. The lane sends plain rows while others need the memory. */
  strip(): void {
    this.encoder = undefined;
    this.context.memory.tell(this, 0);
  }

  private takeEncoder(): LaneEncoder | undefined {
    const { context, key } = this;
    // Only their reader understands opaque bytes, so the component does not try to code them.
    if (this.service.record.config.opaque === true) return undefined;
    if (this.encoder !== undefined || !key.coded || !context.memory.mayCode(this)) return this.encoder;
    const { rows } = context;
    const isMap = key.codesMaps === true;
    this.encoder = new LaneEncoder({ limits: DEFAULT_CODEC_LIMITS, rows, hop: key.hop, isMap });
    if (this.joining.size > 0) this.encoder.wantKey();
    return this.encoder;
  }

  remove(member: M): void {
    this.attached.delete(member);
    this.joining.delete(member);
  }

  /** Encodes what waits, once for everyone. Every body must go to all who are on the lane. */
  encode(now: number): ReadyBatch[] {
    const encoder = this.takeEncoder();
    // With nobody on the chain, the chain may begin anew.
    if (this.attached.size === 0 || this.isolates) encoder?.breakOff();
    let joining = this.joining.size > 0;
    const batches = this.slices().map((slice): ReadyBatch => {
      const conflated = slice.to - slice.from + 1 - slice.rows.length;
      if (encoder === undefined || this.isolates)
        return { body: this.encodeAlone(slice), independent: undefined, conflated };
      const batch = toBatch(this.service.record, slice);
      const body = encoder.encode(batch, now, this.context.randomId());
      if (beginsAnew(body)) joining = false;
      return {
        body: ready(body, slice),
        independent: joining ? ready(encoder.encodeIndependent(batch), slice) : undefined,
        conflated,
      };
    });
    this.flushedTo = this.batch.to;
    this.batch.clear();
    this.lastFlushAt = now;
    if (encoder !== undefined) this.context.memory.tell(this, encoder.bytes);
    return batches;
  }

  /** Drops what waits. The next body does not continue the chain, and covers no position up to `to`. */
  skip(to = this.batch.to): void {
    // With a selector, a subscriber that comes back still has to receive the last selected update.
    if (this.selector === undefined) this.flushedTo = Math.max(this.flushedTo, to);
    this.batch.clear();
    this.encoder?.breakOff();
  }

  /** Whether a row fits the links of this lane at all. */
  fits(row: Uint8Array): boolean {
    return row.length <= this.maxBytes;
  }

  /** Returns what waits, for a subscriber that leaves the lane. */
  peek(): ReadyBody[] {
    return this.slices().map((slice) => this.encodeAlone(slice));
  }

  /** Returns a body that needs no other body, and that no other body needs. */
  encodeAlone(slice: BatchSlice): ReadyBody {
    const encoder = this.takeEncoder();
    // In a body of several rows, each row is coded with the help of the rows before it.
    if (encoder === undefined || (this.isolates && slice.rows.length > 1)) return this.plain(slice);
    return ready(encoder.encodeIndependent(toBatch(this.service.record, slice)), slice);
  }

  /** Whether each update is coded alone. The publisher may change that at any time. */
  private get isolates(): boolean {
    const { compression, opaque } = this.service.record.config;
    return compression === "isolated" && opaque !== true;
  }

  /** Rows too large for the size class are left out. */
  private slices(): BatchSlice[] {
    const slices = this.batch
      .slices(DEFAULT_LIMITS.maxRowsPerFrame, this.maxBytes)
      .filter(({ rows }) => this.fits(rows[0] as Uint8Array));
    return this.isolates && this.key.coded ? slices.flatMap(isolatedParts) : slices;
  }

  private plain(slice: BatchSlice): ReadyBody {
    const { rows, deflatedRows = rows } = this.context;
    const { record } = this.service;
    const deflates = this.key.deflates === true && !this.isolates && record.config.opaque !== true;
    const encoded = (deflates ? deflatedRows : rows).encode(slice.rows, this.key.hop);
    return ready({ ...headOf(record, slice), ...encoded }, slice);
  }
}

function ready(body: LaneBody, { rows, to }: BatchSlice): ReadyBody {
  const bytes = encodeLaneBody(body);
  return new ReadyBody(
    ...([body.form, encodeBase64(bytes), padOfBody(body.form, bytes), rows.length, to] as const),
    body.form === "chained" ? leanBody(encodeBase64(body.payload)) : undefined,
  );
}

type BodyHead = Pick<LaneBatch, "epoch" | "from" | "to" | "at" | "spanMs">;

function headOf({ epoch, baseAt }: ServiceRecord, { from, to, firstAt, lastAt }: BatchSlice): BodyHead {
  return {
    ...{ epoch, from, to },
    // By the wall clock as it is now. If somebody corrected the wall clock meanwhile, this time is correct too.
    at: Math.max(0, Math.round(lastAt + wallAheadMs() - baseAt)),
    spanMs: Math.max(0, Math.round(lastAt - firstAt)),
  };
}

function toBatch(record: ServiceRecord, slice: BatchSlice): LaneBatch {
  return { ...headOf(record, slice), rows: slice.rows.map(valueOf), packed: slice.rows };
}

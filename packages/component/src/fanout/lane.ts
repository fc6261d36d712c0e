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
  type Selection,
  type ServiceStatus,
  WHOLE,
} from "@stanzapack/wire";
import { encodeBase64, leanBody, wallAheadMs } from "@stanzapack/xmpp";
import type { ServiceRecord } from "../catalog/service-record.js";
import type { ComponentLimits } from "../config/config.js";
import type { LaneMemory } from "./lane-memory.js";
import type { Outlet, OutletFormat, Subscriber } from "./outlet.js";
import { type Arrival, Projection, Selector, type SelectedUpdate } from "./selector.js";
import { ReadyBody } from "./ready-body.js";
import { valueOf } from "./row-values.js";

/** One batch of a lane, encoded once for everyone. */
export interface ReadyBatch {
  readonly body: ReadyBody;
  /** For those who are not on the chain yet; undefined when `body` serves them too, and they are on it from here on. */
  readonly independent: ReadyBody | undefined;
}

/** What lanes share of their component. */
export interface LaneContext {
  /** Rows as they are. */
  readonly rows: RowCodec;
  /** Deflated too, where that is smaller. Default: `rows`. */
  readonly deflatedRows?: RowCodec;
  readonly limits: ComponentLimits;
  /** 32 bits, never 0. */
  readonly randomId: () => number;
  readonly memory: LaneMemory;
}

/** What the subscribers of one lane have in common, so that they can share every byte. */
export interface LaneKey extends OutletFormat {
  readonly windowMs: number;
  readonly selection: Selection;
}

/** What a lane reads of its service. */
export interface LaneSource {
  readonly record: ServiceRecord;
  readonly told: { readonly status: ServiceStatus; readonly windowMs: number | null };
}

/** What a lane knows of one of its subscriptions. */
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

/** The heartbeat too: what it sends goes to all of the lane. */
export function formatSelection(selection: Selection): string {
  return JSON.stringify(SELECTION_PARTS.map((part) => selection[part]));
}

function formatEncoding({ coded, deflates, hop }: OutletFormat): string {
  return `${coded ? "coded" : deflates === true ? "deflated" : "rows"}/${hop}`;
}

/**
 * The subscribers of one service who share a window, a size class, a codec, a hop class and a selection, and what waits for their
 * next tick.
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
  /** Last offset that left. */
  flushedTo: number;
  /** When a body left last, in ms; it tells idle from busy. */
  lastFlushAt = -Infinity;
  /** When its subscribers were last told that all is well, in ms. */
  lastBeatAt = -Infinity;
  /** The tick it is booked for. */
  dueAt: number | undefined;
  /** The tick at which its heartbeat is looked after. */
  beatAt: number | undefined;
  /** Lanes of one service that agree in this encode a single row alike. */
  readonly rowKey: string;
  /** Undefined: every update goes. */
  private readonly selector: Selector | undefined;
  /** The service's newest, as it is to travel. */
  private known: SelectedUpdate | undefined;
  /** Undefined: values go whole. */
  private readonly projection: Projection | undefined;
  /** Undefined: it sends plain rows. */
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
    this.rowKey = `${formatEncoding(key)}/${JSON.stringify(selection.fields)}`;
  }

  get windowMs(): number {
    return this.key.windowMs;
  }
  /** Of `EncodingLane`. */
  get account(): string {
    return this.payer?.bareJid ?? this.service.record.id.owner;
  }
  /** Somebody takes what it sends next. */
  get active(): boolean {
    return this.attached.size + this.joining.size > 0;
  }
  /** Most bytes of rows that a body may have. */
  get maxBytes(): number {
    return this.key.sizeClass - DATA_HEADER_BYTES;
  }
  /** From when on something may leave, in ms; undefined: not before another update comes. */
  get opensAt(): number | undefined {
    if (this.selector !== undefined) return this.selector.opensAt;
    return this.batch.empty ? undefined : -Infinity;
  }
  /** Where a subscriber stands who took all that left and what waits in the batch. */
  get standsAt(): number {
    return this.selector?.settledTo ?? this.service.record.offset;
  }
  /**
   * What a subscriber gets who stands before `from`, or nowhere: with a rate or a deadband what the others of the lane had last, unless it
   * is beyond that; the newest otherwise.
   */
  newest(from: number | undefined): SelectedUpdate | undefined {
    const shared = this.selector?.shared === true ? this.selector.last : undefined;
    if (shared !== undefined && shared.offset + 1 >= (from ?? 0)) return shared;
    const { last, offset } = this.service.record;
    if (last !== undefined && this.known?.offset !== offset)
      this.known = { offset, row: this.project(last.row), at: last.at };
    return last && this.known;
  }
  /** What waits and so much more is over what may wait. */
  overflows(rows: number, bytes: number): boolean {
    const { laneMaxRows, laneMaxBytes } = this.context.limits;
    return this.batch.rows + rows > laneMaxRows || this.batch.bytes + bytes > laneMaxBytes;
  }

  /** Updates came. While nobody takes them they are dropped, but for the newest where `selection` compares with it. */
  push(arrival: Arrival, now: number): void {
    const { active, projection } = this;
    if (this.selector === undefined && !active) return this.skip(arrival.to);
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

  /** What its selection lets go by now. */
  settle(now: number): void {
    this.selector?.settle(now);
  }

  /** Its selection lets the newest go, if it held it back. */
  force(): void {
    this.selector?.force();
  }

  /** One of the lane has this one by itself. */
  meet(update: SelectedUpdate, isSent: boolean, now: number): void {
    if (this.selector?.shared === true) this.selector.meet(update, isSent, now);
  }

  /** As it is to travel. */
  project(row: Uint8Array): Uint8Array {
    return this.projection?.project(row) ?? row;
  }

  /** Its next bodies begin with one that needs none before it. */
  add(member: M): void {
    this.joining.add(member);
    this.encoder?.wantKey();
  }

  /** Gives its memory back: it sends plain rows while others need it. */
  strip(): void {
    this.encoder = undefined;
    this.context.memory.tell(this, 0);
  }

  private takeEncoder(): LaneEncoder | undefined {
    const { context, key } = this;
    // Of bytes that nobody but their reader understands nothing is tried.
    if (this.service.record.config.opaque === true) return undefined;
    if (this.encoder !== undefined || !key.coded || !context.memory.mayCode(this)) return this.encoder;
    const { rows } = context;
    this.encoder = new LaneEncoder({ limits: DEFAULT_CODEC_LIMITS, rows, hop: key.hop });
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
    // With nobody on the chain it may as well begin anew.
    if (this.attached.size === 0 || this.isolates) encoder?.breakOff();
    let joining = this.joining.size > 0;
    const batches = this.slices().map((slice): ReadyBatch => {
      if (encoder === undefined || this.isolates)
        return { body: this.encodeAlone(slice), independent: undefined };
      const batch = toBatch(this.service.record, slice);
      const body = encoder.encode(batch, now, this.context.randomId());
      if (beginsAnew(body)) joining = false;
      return {
        body: ready(body, slice),
        independent: joining ? ready(encoder.encodeIndependent(batch), slice) : undefined,
      };
    });
    this.flushedTo = this.batch.to;
    this.batch.clear();
    this.lastFlushAt = now;
    if (encoder !== undefined) this.context.memory.tell(this, encoder.bytes);
    return batches;
  }

  /** Drops what waits; what comes next does not go on from what was, nor from before `to`. */
  skip(to = this.batch.to): void {
    // With a selector, who comes back still has to get its last.
    if (this.selector === undefined) this.flushedTo = Math.max(this.flushedTo, to);
    this.batch.clear();
    this.encoder?.breakOff();
  }

  /** Whether a row fits the links of this lane at all. */
  fits(row: Uint8Array): boolean {
    return row.length <= this.maxBytes;
  }

  /** What waits, for somebody who leaves the lane. */
  peek(): ReadyBody[] {
    return this.slices().map((slice) => this.encodeAlone(slice));
  }

  /** A body that needs no other, and that none depends on. */
  encodeAlone(slice: BatchSlice): ReadyBody {
    const encoder = this.takeEncoder();
    // A body of several rows would code each by those before it.
    if (encoder === undefined || (this.isolates && slice.rows.length > 1)) return this.plain(slice);
    return ready(encoder.encodeIndependent(toBatch(this.service.record, slice)), slice);
  }

  /** No update is coded by another. The publisher may change that at any time. */
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

function ready(body: LaneBody, { rows }: BatchSlice): ReadyBody {
  const bytes = encodeLaneBody(body);
  return new ReadyBody(
    ...([body.form, encodeBase64(bytes), padOfBody(body.form, bytes), rows.length] as const),
    body.form === "chained" ? leanBody(encodeBase64(body.payload)) : undefined,
  );
}

type BodyHead = Pick<LaneBatch, "epoch" | "from" | "to" | "at" | "spanMs">;

function headOf({ epoch, baseAt }: ServiceRecord, { from, to, firstAt, lastAt }: BatchSlice): BodyHead {
  return {
    ...{ epoch, from, to },
    // By the wall clock as it is now: whoever has set it right meanwhile has set this right.
    at: Math.max(0, Math.round(lastAt + wallAheadMs() - baseAt)),
    spanMs: Math.max(0, Math.round(lastAt - firstAt)),
  };
}

function toBatch(record: ServiceRecord, slice: BatchSlice): LaneBatch {
  return { ...headOf(record, slice), rows: slice.rows.map(valueOf), packed: slice.rows };
}

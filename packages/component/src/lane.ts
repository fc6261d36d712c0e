import {
  beginsAnew,
  decodeRow,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeLaneBody,
  LaneEncoder,
  RowBatch,
  type BatchSlice,
  type LaneBatch,
  type HopClass,
  type LaneBody,
  type Profile,
  type RowCodec,
} from "@stanzapack/wire";
import { encodeBase64 } from "@stanzapack/xmpp";
import type { ClientLink } from "./client-link.js";
import type { ComponentLimits } from "./config.js";
import type { LaneMemory } from "./lane-memory.js";
import type { Service } from "./service.js";
import type { Subscription } from "./subscription.js";

/** Largest blocks a lane can be made for; a link takes the largest that fits its own block size. */
export const SIZE_CLASSES = [65_535, 16_383, 4_095] as const;

/** Smallest block size a link may have. */
export const MIN_BLOCK_BYTES = SIZE_CLASSES[SIZE_CLASSES.length - 1] as number;

/** Room in a block for the largest prefix and body header of a DATA frame. */
const HEADER_ROOM_BYTES = 63;

/** A DATA body ready to be put behind any subscriber's prefix. */
export interface ReadyBody {
  readonly form: LaneBody["form"];
  readonly base64: string;
}

/** One batch of a lane, encoded once for everyone. */
export interface ReadyBatch {
  readonly body: ReadyBody;
  /** For those who are not on the chain yet; undefined when `body` serves them too, and they are on it from here on. */
  readonly independent: ReadyBody | undefined;
}

/** What lanes share of their component. */
export interface LaneContext {
  readonly rows: RowCodec;
  readonly limits: ComponentLimits;
  /** 32 bits, never 0. */
  readonly randomId: () => number;
  readonly memory: LaneMemory;
}

/** Which lane a link takes of a service: those of one lane can share every byte. */
export interface LaneKey {
  readonly windowMs: number;
  readonly sizeClass: number;
  /** In the columnar codec; otherwise in rows that any client reads. */
  readonly coded: boolean;
  /** What is smallest depends on whether the stream itself is compressed. */
  readonly hop: HopClass;
}

export function laneKeyOf(link: ClientLink, windowMs: number): LaneKey {
  return { windowMs, sizeClass: link.sizeClass, coded: link.readsCoded, hop: link.hop };
}

export function formatLaneKey(key: LaneKey): string {
  return `${key.windowMs}/${key.sizeClass}/${formatEncoding(key)}`;
}

/** Lanes of one service that agree in this encode a single row alike. */
export function formatEncoding({ coded, hop }: LaneKey): string {
  return `${coded ? "coded" : "rows"}/${hop}`;
}

/** The subscribers of one service who share a window, a size class, a codec and a hop class, and what waits for their next tick. */
export class Lane {
  /** Those whose next bytes are this lane's next body. Others of the lane are detached and wait for their link. */
  readonly attached = new Set<Subscription>();
  /** Those who wait for a body that needs none before it; until then they get bodies of their own. */
  readonly joining = new Set<Subscription>();
  /** Whose budget it counts in; undefined once they left it to others. */
  payer: ClientLink | undefined;
  /** Everyone of the lane, detached ones too. */
  members = 0;
  readonly batch: RowBatch;
  /** Last offset that left. */
  flushedTo: number;
  /** When a body left last, in ms; it tells idle from busy. */
  lastFlushAt = -Infinity;
  /** The tick it is booked for. */
  dueAt: number | undefined;
  /** Undefined: it sends plain rows. */
  private encoder: LaneEncoder | undefined;

  constructor(
    readonly service: Service,
    readonly key: LaneKey,
    private readonly context: LaneContext,
    readonly profile: Profile,
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
    this.flushedTo = service.offset;
  }

  get windowMs(): number {
    return this.key.windowMs;
  }
  /** Somebody takes what it sends next. */
  get active(): boolean {
    return this.attached.size + this.joining.size > 0;
  }
  /** Most bytes of rows that a body may have. */
  get maxBytes(): number {
    return this.key.sizeClass - HEADER_ROOM_BYTES;
  }
  /** What waits and so much more is over what may wait. */
  overflows(rows: number, bytes: number): boolean {
    const { laneMaxRows, laneMaxBytes } = this.context.limits;
    return this.batch.rows + rows > laneMaxRows || this.batch.bytes + bytes > laneMaxBytes;
  }

  /** Its next bodies begin with one that needs none before it. */
  add(subscription: Subscription): void {
    this.joining.add(subscription);
    this.encoder?.wantKey();
  }

  /** Gives its memory back: it sends plain rows while others need it. */
  strip(): void {
    this.encoder = undefined;
    this.context.memory.tell(this, 0);
  }

  private takeEncoder(): LaneEncoder | undefined {
    const { context, key, profile } = this;
    if (this.encoder !== undefined || !key.coded || !context.memory.roomy) return this.encoder;
    const { rows } = context;
    this.encoder = new LaneEncoder({ limits: DEFAULT_CODEC_LIMITS, rows, profile, hop: key.hop });
    if (this.joining.size > 0) this.encoder.wantKey();
    return this.encoder;
  }

  remove(subscription: Subscription): void {
    this.attached.delete(subscription);
    this.joining.delete(subscription);
  }

  /** Encodes what waits, once for everyone. Every body must go to all who are on the lane. */
  encode(now: number): ReadyBatch[] {
    const encoder = this.takeEncoder();
    // With nobody on the chain it may as well begin anew.
    if (this.attached.size === 0) encoder?.breakOff();
    let joining = this.joining.size > 0;
    const batches = this.slices().map((slice): ReadyBatch => {
      if (encoder === undefined) return { body: this.plain(slice), independent: undefined };
      const batch = toBatch(this.service, slice);
      const body = encoder.encode(batch, now, this.context.randomId());
      if (beginsAnew(body)) joining = false;
      return {
        body: ready(body),
        independent: joining ? ready(encoder.encodeIndependent(batch)) : undefined,
      };
    });
    this.flushedTo = this.batch.to;
    this.batch.clear();
    this.lastFlushAt = now;
    if (encoder !== undefined) this.context.memory.tell(this, encoder.bytes);
    return batches;
  }

  /** Drops what waits; what comes next does not go on from what was. */
  skip(): void {
    this.flushedTo = Math.max(this.flushedTo, this.batch.to);
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
    if (encoder === undefined) return this.plain(slice);
    return ready(encoder.encodeIndependent(toBatch(this.service, slice)));
  }

  /** Rows too large for the size class are left out. */
  private slices(): BatchSlice[] {
    return this.batch
      .slices(DEFAULT_LIMITS.maxRowsPerFrame, this.maxBytes)
      .filter(({ rows }) => this.fits(rows[0] as Uint8Array));
  }

  private plain(slice: BatchSlice): ReadyBody {
    return ready({ ...headOf(this.service, slice), ...this.context.rows.encode(slice.rows, this.key.hop) });
  }
}

function ready(body: LaneBody): ReadyBody {
  return { form: body.form, base64: encodeBase64(encodeLaneBody(body)) };
}

type BodyHead = Pick<LaneBatch, "epoch" | "from" | "to" | "at" | "spanMs">;

function headOf({ epoch, baseAt }: Service, { from, to, firstAt, lastAt }: BatchSlice): BodyHead {
  return {
    ...{ epoch, from, to },
    at: Math.max(0, Math.round(lastAt - baseAt)),
    spanMs: Math.max(0, Math.round(lastAt - firstAt)),
  };
}

function toBatch(service: Service, slice: BatchSlice): LaneBatch {
  return { ...headOf(service, slice), rows: slice.rows.map(decodeRow), packed: slice.rows };
}

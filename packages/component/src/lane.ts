import { encodeDataBody, RowBatch, type DataForm, type RowCodec } from "@stanzapack/wire";
import { encodeBase64 } from "@stanzapack/xmpp";
import type { ComponentLimits } from "./config.js";
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
  readonly form: DataForm;
  readonly base64: string;
}

/** The subscribers of one service who share a window and a size class, and what waits for their next tick. */
export class Lane {
  /** Those whose next bytes are this lane's next body. Others of the lane are detached and wait for their link. */
  readonly attached = new Set<Subscription>();
  /** Everyone of the lane, detached ones too. */
  members = 0;
  readonly batch: RowBatch;
  /** Last offset that left. */
  flushedTo: number;
  /** When a body left last, in ms; it tells idle from busy. */
  lastFlushAt = -Infinity;
  /** The tick it is booked for. */
  dueAt: number | undefined;

  constructor(
    readonly service: Service,
    readonly windowMs: number,
    readonly sizeClass: number,
    limits: ComponentLimits,
  ) {
    this.batch = new RowBatch({ maxRows: limits.laneMaxRows, maxBytes: limits.laneMaxBytes });
    this.flushedTo = service.offset;
  }

  /** Encodes what waits, once for everyone. */
  encode(codec: RowCodec, maxRowsPerFrame: number, now: number): ReadyBody[] {
    const bodies = this.peek(codec, maxRowsPerFrame);
    this.flushedTo = this.batch.to;
    this.batch.clear();
    this.lastFlushAt = now;
    return bodies;
  }

  /** Whether a row fits the links of this lane at all. */
  fits(row: Uint8Array): boolean {
    return row.length <= this.sizeClass - HEADER_ROOM_BYTES;
  }

  /** What waits, encoded without taking it. Rows too large for the size class are left out. */
  peek(codec: RowCodec, maxRowsPerFrame: number): ReadyBody[] {
    const maxBytes = this.sizeClass - HEADER_ROOM_BYTES;
    return this.batch
      .slices(maxRowsPerFrame, maxBytes)
      .filter(({ rows }) => (rows[0] as Uint8Array).length <= maxBytes)
      .map((slice) => encodeBody(this.service, codec, slice));
  }
}

export function encodeBody(
  service: Service,
  codec: RowCodec,
  slice: { from: number; to: number; rows: readonly Uint8Array[]; firstAt: number; lastAt: number },
): ReadyBody {
  const { form, payload } = codec.encode(slice.rows);
  const body = encodeDataBody({
    form,
    epoch: service.epoch,
    from: slice.from,
    to: slice.to,
    at: Math.max(0, Math.round(slice.lastAt - service.baseAt)),
    spanMs: Math.max(0, Math.round(slice.lastAt - slice.firstAt)),
    payload,
  });
  return { form, base64: encodeBase64(body) };
}

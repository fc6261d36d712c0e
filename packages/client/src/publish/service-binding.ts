import {
  decodeRow,
  DEFAULT_CODEC_LIMITS,
  isolatedParts,
  LaneEncoder,
  type BatchSlice,
  type HopClass,
  type LaneBatch,
  type LaneBody,
  type RowCodec,
} from "@stanzapack/wire";
import { readyData, type ReadyFrame } from "../link/ready-frame.js";
import type { OfferOptions } from "../options/offer-options.js";
import type { LinkPeer } from "./service-host.js";

/** Options of an offer that decide how its updates are coded. */
type CodingOptions = Pick<OfferOptions, "compression" | "opaque">;

/** A service on one link: its alias there, and the encoder of its DATA. Each BIND makes a new one. */
export class ServiceBinding {
  /** Whether the component sends KEPT. */
  readonly sendsKept: boolean;
  private readonly hop: HopClass;
  /** Undefined if the component reads rows only. */
  private readonly encoder: LaneEncoder | undefined;

  constructor(
    readonly alias: number,
    private readonly codec: RowCodec,
    { readsCoded, sendsKept, hop, session }: LinkPeer,
    /** Updates are those of a map. */
    isMap: boolean,
  ) {
    this.sendsKept = sendsKept;
    this.hop = hop;
    if (!readsCoded) return;
    const codesMap = isMap && session.peerHello?.codecs.includes("map") === true;
    this.encoder = new LaneEncoder({ limits: DEFAULT_CODEC_LIMITS, rows: codec, hop, isMap: codesMap });
  }

  /** Encodes a slice once, as one DATA frame. `epoch` is the incarnation of the service, and `now` is in ms. */
  encode(slice: BatchSlice, options: CodingOptions, epoch: number, now: number): ReadyFrame {
    return readyData(this.alias, this.toBody(slice, options, epoch, now));
  }

  private toBody(
    { from, to, rows, firstAt, lastAt }: BatchSlice,
    options: CodingOptions,
    epoch: number,
    now: number,
  ): LaneBody {
    const head = {
      ...{ epoch, from, to },
      at: Math.max(0, Math.round(now - lastAt)),
      spanMs: Math.max(0, Math.round(lastAt - firstAt)),
    };
    if (this.encoder === undefined || travelsAsRows(options, rows))
      return { ...head, ...this.codec.encode(rows, this.hop) };
    const batch: LaneBatch = { ...head, rows: rows.map(decodeRow), packed: rows };
    if (isolates(options)) return this.encoder.encodeIndependent(batch);
    return this.encoder.encode(batch, now, crypto.getRandomValues(new Uint32Array(1))[0] as number);
  }
}

/** Returns the slices as they are encoded: with `isolated` compression each update by itself. */
export function toCodedSlices(slices: BatchSlice[], options: CodingOptions): BatchSlice[] {
  return isolates(options) ? slices.flatMap(isolatedParts) : slices;
}

/** Whether each update is coded by itself. */
function isolates({ compression, opaque }: CodingOptions): boolean {
  return compression === "isolated" && opaque !== true;
}

/**
 * Opaque values are not coded at all. A body with several isolated rows would code each row by the rows before it.
 */
function travelsAsRows(options: CodingOptions, rows: readonly Uint8Array[]): boolean {
  return options.opaque === true || (isolates(options) && rows.length > 1);
}

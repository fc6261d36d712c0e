import {
  createRowCodec,
  DataReader,
  decodeBlock,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeFrame,
  encodeUpdate,
  LaneEncoder,
  padOf,
  type ChainBatch,
  type Frame,
  type HopClass,
  type LaneBatch,
  type LaneBody,
  type Value,
} from "@stanzapack/wire";
import { encodeBase64, leanBody, type OutBlock } from "@stanzapack/xmpp";

const rowCodec = createRowCodec(DEFAULT_LIMITS);

/** Alias of a service that is alone on its link. An alias up to 127 takes one byte. */
const FIRST_ALIAS = 1;
/** Epochs and chains are random 32-bit numbers, so nearly all of them take five bytes, as these do. */
const EPOCH = 0x9e3779b9;
const CHAIN = 0xb5297a4d;

/** Returns a batch of `rows` from position `from` on. Their msgpack is made only if a trial reads it. */
export function createLaneBatch(rows: readonly Value[], from: number, at: number, spanMs: number): LaneBatch {
  return {
    ...{ epoch: EPOCH, from, to: from + rows.length - 1, rows, at, spanMs },
    get packed() {
      return rows.map((row) => encodeUpdate(row, DEFAULT_LIMITS));
    },
  };
}

export interface SentBody {
  readonly body: LaneBody;
  /** The whole frame, padded: what a block carries. */
  readonly frame: Uint8Array;
  readonly alias: number;
}

/** The sending end of one lane, as a component has it, with the defaults of keys, wide bodies and trials. */
export class LaneRun {
  private readonly lane: LaneEncoder;

  constructor(
    hop: HopClass,
    private readonly alias = FIRST_ALIAS,
    /** Rows are updates of a map. */
    isMap = false,
  ) {
    this.lane = new LaneEncoder({ limits: DEFAULT_CODEC_LIMITS, rows: rowCodec, hop, isMap });
  }

  encode(batch: LaneBatch, nowMs: number): SentBody {
    const body = this.lane.encode(batch, nowMs, CHAIN);
    return { body, frame: encodeFrame(frameOf(body, this.alias)), alias: this.alias };
  }
}

function frameOf(body: LaneBody, alias: number): Frame {
  return "to" in body ? { type: "data", alias, ...body } : { type: "coded", alias, ...body };
}

/** Returns a block with that body alone, as a link sends it. */
export function blockOf({ body, frame, alias }: SentBody): OutBlock {
  return {
    base64: encodeBase64(frame),
    pad: padOf(frame),
    body: body.form === "chained" ? leanBody(encodeBase64(body.payload)) : undefined,
    label: alias,
  };
}

/** The receiving end of one lane. */
export class LaneReader {
  private readonly reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, rowCodec);

  /**
   * Reads a block. With `label`, the label of a lean stanza, `block` is the payload of one body. Returns undefined for
   * a refused body. If nothing is lost, no body is refused.
   */
  read(block: Uint8Array, label?: number): ChainBatch | undefined {
    if (label !== undefined)
      return this.reader.read({ type: "coded", form: "chained", alias: label, payload: block }, true);
    const [frame] = decodeBlock(block, DEFAULT_LIMITS);
    if (frame?.type !== "data" && frame?.type !== "coded") return undefined;
    return this.reader.read(frame, true);
  }
}

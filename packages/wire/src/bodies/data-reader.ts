import { ChainDecoder } from "./chain.js";
import { ColumnCodec, type CodecLimits } from "../codec/column-codec.js";
import type { ReadBudget } from "../codec/coder/read-budget.js";
import { StanzapackError } from "../base/errors.js";
import type { CodedFrame, DataFrame } from "../frames/frames.js";
import type { Limits } from "../base/limits.js";
import type { Value } from "../msgpack/msgpack.js";
import { decodeRow, type RowCodec } from "./row-codec.js";
import { encodeUpdate } from "../msgpack/update.js";

/**
 * Content of one DATA frame. `rows` are the newest of the positions `from`..`to`; the other positions were conflated.
 */
export interface DataBatch<Row> {
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly rows: readonly Row[];
  readonly at: number;
  readonly spanMs: number;
}

/**
 * Content of one DATA frame, with the msgpack of each row. `values`: the rows as values if the frame was coded, else
 * undefined.
 */
export interface PackedBatch extends DataBatch<Uint8Array> {
  readonly values: readonly Value[] | undefined;
}

/** Reads the DATA of one alias, in any form that its sender chose. */
export class DataReader {
  private readonly chain: ChainDecoder;

  constructor(
    private readonly codecLimits: CodecLimits,
    private readonly limits: Limits,
    private readonly rows: RowCodec,
  ) {
    this.chain = new ChainDecoder(codecLimits);
  }

  /** Approximate memory held between frames, in bytes. */
  get bytes(): number {
    return this.chain.bytes;
  }

  /**
   * Returns undefined for a refused frame, which needs a frame that did not arrive. The next key is read again.
   * `contiguous`: no block of the link was lost since the frame before. `budget`: the budget of the frame's block.
   * Throws `malformed`, `limit-exceeded` or `protocol`, which end the link.
   */
  read(
    frame: DataFrame | CodedFrame,
    contiguous: boolean,
    budget?: ReadBudget,
  ): DataBatch<Value> | undefined {
    if (frame.type === "coded") return this.readCoded(frame, contiguous, budget);
    return { ...this.readRows(frame), rows: this.rows.decode(frame).map(decodeRow) };
  }

  /** As `read`, with each row's msgpack, for a caller that forwards rows. */
  readPacked(
    frame: DataFrame | CodedFrame,
    contiguous: boolean,
    budget?: ReadBudget,
  ): PackedBatch | undefined {
    if (frame.type !== "coded")
      return { ...this.readRows(frame), rows: this.rows.decode(frame), values: undefined };
    const batch = this.readCoded(frame, contiguous, budget);
    return batch && { ...batch, rows: batch.rows.map((row) => this.pack(row)), values: batch.rows };
  }

  private pack(row: Value): Uint8Array {
    try {
      return encodeUpdate(row, this.limits);
    } catch (cause) {
      const { text } = cause as StanzapackError;
      throw new StanzapackError("malformed", `a coded row is not an update: ${text}`, {
        origin: "peer",
        cause,
      });
    }
  }

  private readRows(frame: DataFrame): Omit<DataBatch<never>, "rows"> {
    // Rows end the chain: a chained body is refused until the next key.
    this.chain.breakOff();
    const { epoch, from, to, at, spanMs } = frame;
    return { epoch, from, to, at, spanMs };
  }

  private readCoded(
    frame: CodedFrame,
    contiguous: boolean,
    budget: ReadBudget | undefined,
  ): DataBatch<Value> | undefined {
    budget?.begin();
    if (frame.form !== "independent") return this.chain.decode(frame, contiguous, budget);
    this.chain.breakOff();
    const { rows, conflated, at, spanMs } = new ColumnCodec(this.codecLimits).decode(frame.payload, budget);
    const to = frame.from + conflated + rows.length - 1;
    if (rows.length === 0 || at < 0 || spanMs < 0 || !Number.isSafeInteger(to))
      throw new StanzapackError("malformed", "DATA without rows, or beyond what positions can be", {
        origin: "peer",
      });
    return { epoch: frame.epoch, from: frame.from, to, rows, at, spanMs };
  }
}

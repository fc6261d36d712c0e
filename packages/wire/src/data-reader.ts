import { ChainDecoder, type ChainBatch } from "./codec/chain.js";
import { ColumnCodec, type CodecLimits } from "./codec/column-codec.js";
import { StanzapackError } from "./errors.js";
import type { CodedFrame, DataFrame } from "./frames.js";
import { decodeRow, type RowCodec } from "./row-codec.js";

/** Reads the DATA of one alias, in whatever forms its sender chose. */
export class DataReader {
  private readonly chain: ChainDecoder;

  constructor(
    private readonly limits: CodecLimits,
    private readonly rows: RowCodec,
  ) {
    this.chain = new ChainDecoder(limits);
  }

  /**
   * `contiguous`: no block of the link was lost since the frame before. Undefined: refused, since it needs one that did
   * not come; the next key is read again. Throws `malformed` or `limit-exceeded`, which end the link.
   */
  read(frame: DataFrame | CodedFrame, contiguous: boolean): ChainBatch | undefined {
    if (frame.form === "chained" || frame.form === "wide" || frame.form === "key")
      return this.chain.decode(frame, contiguous);
    // Its sender is not on the chain any more, or not yet.
    this.chain.breakOff();
    if (frame.form === "independent") {
      const { rows, conflated, at, spanMs } = new ColumnCodec(this.limits).decode(frame.payload);
      return checked({
        epoch: frame.epoch,
        from: frame.from,
        to: frame.from - 1 + conflated + rows.length,
        rows,
        at,
        spanMs,
      });
    }
    const { epoch, from, to, at, spanMs } = frame;
    return checked({ epoch, from, to, at, spanMs, rows: this.rows.decode(frame).map(decodeRow) });
  }
}

function checked(batch: ChainBatch): ChainBatch {
  const { from, to, rows, at, spanMs } = batch;
  if (rows.length === 0 || rows.length > to - from + 1 || at < 0 || spanMs < 0 || !Number.isSafeInteger(to))
    throw new StanzapackError("malformed", `DATA of ${from}..${to} has ${rows.length} rows`, {
      origin: "peer",
    });
  return batch;
}

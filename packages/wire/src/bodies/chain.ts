import type { DataBatch } from "./data-reader.js";
import { StanzapackError } from "../base/errors.js";
import type { Value } from "../msgpack/msgpack.js";
import type { ReadBudget } from "../codec/coder/read-budget.js";
import { ColumnCodec, type CodecLimits } from "../codec/column-codec.js";
import type { ChainBody } from "../frames/frames.js";

/** Updates of one service that leave together. */
export type ChainBatch = DataBatch<Value>;

export interface ChainPolicy {
  /** A wide body comes after this many other bodies at the earliest. 16: its header has up to 18 bytes, about one byte for each body. */
  readonly wideEveryBodies: number;
  /** A wide body comes this many ms after the last one at the earliest. 10,000: a fast lane needs no more proof than a slow lane. */
  readonly wideEveryMs: number;
}

export const DEFAULT_CHAIN_POLICY: ChainPolicy = { wideEveryBodies: 16, wideEveryMs: 10_000 };

const CHECK_START = 0x811c9dc5;

/** FNV-1a over the bodies of a chain: two sides that agree have had the same ones, in the same order. */
function extendCheck(check: number, payload: Uint8Array): number {
  // Signed, as integers of 32 bits are kept by engines.
  let hash = check | 0;
  for (let i = 0; i < payload.length; i++) hash = Math.imul(hash ^ (payload[i] as number), 0x01000193);
  // The end of a body counts too.
  return Math.imul(hash ^ 0x100, 0x01000193) >>> 0;
}

/** The sending end of chains. Pure: clock and chance are arguments. */
export class ChainEncoder {
  private codec: ColumnCodec | undefined;
  private chain = 0;
  private check = CHECK_START;
  private epoch = 0;
  private next = 0;
  private bodiesSinceWide = 0;
  private wideAt = 0;

  constructor(
    private readonly limits: CodecLimits,
    private readonly policy: ChainPolicy = DEFAULT_CHAIN_POLICY,
  ) {}

  /** Memory held, in bytes, about. */
  get bytes(): number {
    return this.codec?.bytes ?? 0;
  }

  /** The next body would go on from the one before. */
  continues(batch: ChainBatch): boolean {
    return this.codec !== undefined && batch.epoch === this.epoch && batch.from === this.next;
  }

  /** Ends the chain: the next body is a key. */
  end(): void {
    this.codec = undefined;
  }

  /** `newChain` names the chain when this body begins one. Every body must be sent: receivers need each of them. */
  encode(batch: ChainBatch, now: number, newChain: number): ChainBody {
    const { epoch, from } = batch;
    const form = !this.continues(batch)
      ? "key"
      : this.bodiesSinceWide >= this.policy.wideEveryBodies && now - this.wideAt >= this.policy.wideEveryMs
        ? "wide"
        : "chained";
    if (form === "key") {
      this.codec = new ColumnCodec(this.limits);
      this.chain = newChain;
      this.check = CHECK_START;
    }
    const conflated = batch.to - from + 1 - batch.rows.length;
    let payload: Uint8Array;
    try {
      payload = (this.codec as ColumnCodec).encode({
        rows: batch.rows,
        conflated,
        at: batch.at,
        spanMs: batch.spanMs,
      });
    } catch (error) {
      // It may have learned half of the batch.
      this.codec = undefined;
      throw error;
    }
    this.check = extendCheck(this.check, payload);
    this.epoch = epoch;
    this.next = batch.to + 1;
    if (form === "chained") {
      this.bodiesSinceWide++;
      return { form, payload };
    }
    this.bodiesSinceWide = 0;
    this.wideAt = now;
    const { chain, check } = this;
    return form === "key"
      ? { form, chain, epoch, from, payload }
      : { form, chain, epoch, from, check, payload };
  }
}

/** The receiving end. What it throws ends the link; what it refuses waits for the next key. */
export class ChainDecoder {
  private codec: ColumnCodec | undefined;
  private chain = 0;
  private check = CHECK_START;
  private epoch = 0;
  private next = 0;

  constructor(private readonly limits: CodecLimits) {}

  /** Memory held, in bytes, about. */
  get bytes(): number {
    return this.codec?.bytes ?? 0;
  }

  /** A body may have been lost, or came to others only: what is chained is refused until the next key. */
  breakOff(): void {
    this.codec = undefined;
  }

  /**
   * `contiguous`: nothing was lost between the body before and this one. Undefined: refused, since it needs what did not
   * come. Throws `malformed` before anything of a body is delivered that is not what was sent.
   */
  decode(body: ChainBody, contiguous: boolean, budget?: ReadBudget): ChainBatch | undefined {
    if (!contiguous) this.codec = undefined;
    if (body.form === "key") {
      this.codec = new ColumnCodec(this.limits);
      this.chain = body.chain;
      this.check = CHECK_START;
      this.epoch = body.epoch;
      this.next = body.from;
    }
    const { codec } = this;
    if (codec === undefined) return undefined;
    const check = extendCheck(this.check, body.payload);
    if (body.form === "wide") {
      if (
        body.chain !== this.chain ||
        body.epoch !== this.epoch ||
        body.from !== this.next ||
        body.check !== check
      ) {
        this.codec = undefined;
        return undefined;
      }
    }
    this.check = check;
    // Until it is read to its end, nothing may go on from it.
    this.codec = undefined;
    const { rows, conflated, at, spanMs } = codec.decode(body.payload, budget);
    const from = this.next;
    // In this order, so that what is beyond 2^53 is not rounded to below.
    const to = from - 1 + conflated + rows.length;
    if (rows.length === 0 || at < 0 || spanMs < 0 || !Number.isSafeInteger(to))
      throw new StanzapackError("malformed", "a chained body without rows, or beyond what positions can be", {
        origin: "peer",
      });
    this.codec = codec;
    this.next = to + 1;
    return { epoch: this.epoch, from, to, rows, at, spanMs };
  }
}

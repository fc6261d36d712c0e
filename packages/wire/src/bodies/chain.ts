import type { DataBatch } from "./data-reader.js";
import { StanzapackError } from "../base/errors.js";
import type { Value } from "../msgpack/msgpack.js";
import type { ReadBudget } from "../codec/coder/read-budget.js";
import { ColumnCodec, type CodecLimits } from "../codec/column-codec.js";
import type { ChainBody } from "../frames/frames.js";

/** Updates of one service that leave together. */
export type ChainBatch = DataBatch<Value>;

export interface ChainPolicy {
  /** Least number of other bodies between wide bodies. 16: a header of 18 bytes is about one byte for each body. */
  readonly wideEveryBodies: number;
  /** Least time between wide bodies, in ms. 10,000: a fast lane needs no more proof than a slow lane. */
  readonly wideEveryMs: number;
}

export const DEFAULT_CHAIN_POLICY: ChainPolicy = { wideEveryBodies: 16, wideEveryMs: 10_000 };

/** Form of a body that begins a chain. */
type KeyForm = "key" | "map";

const CHECK_START = 0x811c9dc5;

function isKey(form: ChainBody["form"]): form is KeyForm {
  return form === "key" || form === "map";
}

function createCodec(limits: CodecLimits, form: KeyForm): ColumnCodec {
  return new ColumnCodec(limits, form === "map" ? "map" : "any");
}

/**
 * Extends the check of a chain: FNV-1a over its bodies. Two sides with the same check had the same bodies in the same
 * order.
 */
function extendCheck(check: number, payload: Uint8Array): number {
  // Signed, because JavaScript engines keep integers of 32 bits signed.
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

  /** `key`: the form that begins a chain. `map`: every row is an update of a map. */
  constructor(
    private readonly limits: CodecLimits,
    private readonly policy: ChainPolicy = DEFAULT_CHAIN_POLICY,
    private readonly key: "key" | "map" = "key",
  ) {}

  /** Approximate memory held, in bytes. */
  get bytes(): number {
    return this.codec?.bytes ?? 0;
  }

  /** Whether the body of `batch` would continue from the body before. */
  continues(batch: ChainBatch): boolean {
    return this.codec !== undefined && batch.epoch === this.epoch && batch.from === this.next;
  }

  /** Ends the chain: the next body is a key. */
  end(): void {
    this.codec = undefined;
  }

  /**
   * Returns the next body. `newChain`: the number of the chain that this body begins, if it begins one. `now`: in ms.
   * Every body must be sent, because receivers need each of them.
   */
  encode(batch: ChainBatch, now: number, newChain: number): ChainBody {
    const { epoch, from } = batch;
    const form = !this.continues(batch)
      ? this.key
      : this.bodiesSinceWide >= this.policy.wideEveryBodies && now - this.wideAt >= this.policy.wideEveryMs
        ? "wide"
        : "chained";
    if (isKey(form)) {
      this.codec = createCodec(this.limits, form);
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
      // The codec may have learned half of the batch.
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
    return isKey(form) ? { form, chain, epoch, from, payload } : { form, chain, epoch, from, check, payload };
  }
}

/**
 * The receiving end of chains. An error that it throws ends the link. After a refused body it waits for the next key.
 */
export class ChainDecoder {
  private codec: ColumnCodec | undefined;
  private chain = 0;
  private check = CHECK_START;
  private epoch = 0;
  private next = 0;

  constructor(private readonly limits: CodecLimits) {}

  /** Approximate memory held, in bytes. */
  get bytes(): number {
    return this.codec?.bytes ?? 0;
  }

  /** Refuses chained and wide bodies until the next key: a body may be lost, or was sent to other receivers only. */
  breakOff(): void {
    this.codec = undefined;
  }

  /**
   * Returns undefined for a refused body, which needs bodies that did not arrive. `contiguous`: nothing was lost
   * between the body before and this one. Throws `malformed` or `limit-exceeded`, and then returns nothing of the body.
   */
  decode(body: ChainBody, contiguous: boolean, budget?: ReadBudget): ChainBatch | undefined {
    if (!contiguous) this.codec = undefined;
    if (body.form === "key" || body.form === "map") {
      this.codec = createCodec(this.limits, body.form);
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
    // If decoding throws, no later body may continue from this one.
    this.codec = undefined;
    const { rows, conflated, at, spanMs } = codec.decode(body.payload, budget);
    const from = this.next;
    // Added in this order, so that a sum beyond 2^53 is not rounded to below it.
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

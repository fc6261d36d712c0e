import { byteCountOf } from "../base/bytes.js";
import { StanzapackError } from "../base/errors.js";
import {
  encodeCodedBody,
  encodeCodedPrefix,
  encodeDataBody,
  encodeDataPrefix,
  encodeSnapshotPrefix,
  type DataBodyFields,
} from "../frames/data-codec.js";
import type { CodedBody, HopClass } from "../frames/frames.js";
import type { RowCodec } from "./row-codec.js";
import { ChainEncoder, type ChainBatch, type ChainPolicy, DEFAULT_CHAIN_POLICY } from "./chain.js";
import { ColumnCodec, type CodecLimits } from "../codec/column-codec.js";
import { hopCost } from "./hop-cost.js";

/** A body without the columnar codec: every peer reads it. */
export type PlainBody = DataBodyFields;

/** Most bytes of a DATA frame before its payload: the prefix, and the header of the body. */
export const DATA_HEADER_BYTES = 63;

/** A body of any form. `encodeLanePrefix` makes the prefix before it, and `encodeLaneBody` its bytes. */
export type LaneBody = PlainBody | CodedBody;

/** Form of a body that stands behind a prefix with the alias. */
export type BodyForm = LaneBody["form"] | "snapshot";

/** A batch, and the msgpack of its rows. */
export interface LaneBatch extends ChainBatch {
  readonly packed: readonly Uint8Array[];
}

export interface LanePolicy extends ChainPolicy {
  /** Waiting subscribers cause one key in this many ms at most. 10,000: joiners cost the others less than 1 %. */
  readonly keyEveryMs: number;
  /** Bodies before the first trial of the other form. Each trial without a change doubles it. 16: an early start. */
  readonly trialEveryBodies: number;
  /** Most bodies between two trials. 512: trials then cost a few percent. */
  readonly maxTrialEveryBodies: number;
  /** The other form must be smaller by this many percent. 5: so that forms do not alternate. */
  readonly trialMarginPercent: number;
}

export const DEFAULT_LANE_POLICY: LanePolicy = {
  ...DEFAULT_CHAIN_POLICY,
  keyEveryMs: 10_000,
  trialEveryBodies: 16,
  maxTrialEveryBodies: 512,
  trialMarginPercent: 5,
};

/**
 * Largest coded body that is never noise, in bytes. A larger one that also exceeds the msgpack of its rows is noise,
 * and travels as rows. Small coded bodies may exceed their rows.
 */
const MIN_NOISE_BYTES = 1_024;

/** Length of a trial, in bodies. The first bodies of a new chain say little about its later cost. */
const TRIAL_BODIES = 8;

export interface LaneEncoderOptions {
  readonly limits: CodecLimits;
  /** Without deflate: a lane of the codec sends no deflated rows. */
  readonly rows: RowCodec;
  readonly hop: HopClass;
  /** Rows are updates of a map, and every receiver lists the codec `map`. Default: false. */
  readonly isMap?: boolean;
  readonly policy?: LanePolicy;
}

/** A running trial: what coded and plain bodies cost on the hop. */
interface Trial {
  /** Codec that learns while rows are sent; undefined while the chain itself is sent. */
  readonly shadow: ColumnCodec | undefined;
  bodies: number;
  coded: number;
  plain: number;
}

/**
 * Encodes what one lane sends: a chain of coded batches, or plain rows while those are smaller, which is rare. It also
 * makes bodies that need no other body, for subscribers who are not on the chain. Pure: clock and chance are arguments.
 */
export class LaneEncoder {
  private readonly chain: ChainEncoder;
  private readonly policy: LanePolicy;
  private mode: "coded" | "plain" = "coded";
  private trial: Trial | undefined;
  private trialEvery: number;
  private untilTrial: number;
  private keySlot = -1;
  private wanted = false;

  constructor(private readonly options: LaneEncoderOptions) {
    this.policy = options.policy ?? DEFAULT_LANE_POLICY;
    this.chain = new ChainEncoder(options.limits, this.policy, options.isMap === true ? "map" : "key");
    this.trialEvery = this.untilTrial = this.policy.trialEveryBodies;
  }

  /** Approximate memory held, in bytes. */
  get bytes(): number {
    return this.chain.bytes + (this.trial?.shadow?.bytes ?? 0);
  }

  /**
   * Says that a subscriber waits to join. The next body becomes a key, unless the present interval of `keyEveryMs` had
   * one. Then the key comes with the next interval, so nobody waits longer than `keyEveryMs` for it.
   */
  wantKey(): void {
    this.wanted = true;
  }

  /** Ends the chain: the next body does not continue from the last. Meanwhile nothing was sent to anybody. */
  breakOff(): void {
    this.chain.end();
  }

  /**
   * Returns the next body for the subscribers on the lane. It must be sent to all of them. Another subscriber may join
   * with a body that `beginsAnew`.
   */
  encode(batch: LaneBatch, now: number, newChain: number): LaneBody {
    const slot = Math.floor(now / this.policy.keyEveryMs);
    if (this.wanted && slot !== this.keySlot) this.chain.end();
    const body = this.mode === "coded" ? this.encodeCoded(batch, now, newChain) : this.encodePlainly(batch);
    if (body.form === "key" || body.form === "map") {
      this.keySlot = slot;
      this.wanted = false;
    }
    return body;
  }

  /** Returns a body for subscribers who are not on the lane, or not yet. */
  encodeIndependent(batch: LaneBatch): LaneBody {
    const { limits, hop } = this.options;
    const plainly = this.plain(batch);
    const coded = unlessTooMuch(() => independent(batch, limits));
    if (coded === undefined || this.isNoise(coded.payload, batch)) return plainly.body;
    return hopCost(coded.form, coded.payload.length, hop) <= plainly.cost ? coded : plainly.body;
  }

  private encodeCoded(batch: LaneBatch, now: number, newChain: number): LaneBody {
    const body = unlessTooMuch(() => this.chain.encode(batch, now, newChain));
    if (body === undefined || this.isNoise(body.payload, batch)) {
      this.chain.end();
      return this.plain(batch).body;
    }
    if (this.trial === undefined && --this.untilTrial > 0) return body;
    const trial = (this.trial ??= startTrial(undefined));
    this.weigh(trial, body.payload.length, this.plain(batch).cost);
    return body;
  }

  private encodePlainly(batch: LaneBatch): LaneBody {
    const { body, cost } = this.plain(batch);
    if (this.trial === undefined && --this.untilTrial > 0) return body;
    const { limits, isMap } = this.options;
    const trial = (this.trial ??= startTrial(new ColumnCodec(limits, isMap === true ? "map" : "any")));
    const shadow = trial.shadow as ColumnCodec;
    const coded = unlessTooMuch(() => shadow.encode({ ...batch, conflated: conflatedOf(batch) }));
    if (coded === undefined) {
      this.trial = undefined;
      this.untilTrial = this.trialEvery;
    } else this.weigh(trial, coded.length, cost);
    return body;
  }

  /**
   * Whether the payload exceeds the rows that it stands for. A block with room for the rows must have room for the
   * payload.
   */
  private isNoise(payload: Uint8Array, batch: LaneBatch): boolean {
    // In this order, because the first read of `packed` may encode the rows.
    return payload.length > MIN_NOISE_BYTES && payload.length > packedBytes(batch);
  }

  private plain(batch: LaneBatch): { readonly body: PlainBody; readonly cost: number } {
    const { rows, hop } = this.options;
    const { epoch, from, to, at, spanMs } = batch;
    const { encoded, cost } = rows.weigh(batch.packed, hop);
    return { body: { epoch, from, to, at, spanMs, ...encoded }, cost };
  }

  private weigh(trial: Trial, codedBytes: number, plainCost: number): void {
    const { hop } = this.options;
    trial.bodies++;
    // A shadow must learn first.
    if (trial.shadow === undefined || trial.bodies > TRIAL_BODIES / 2) {
      trial.coded += hopCost("chained", codedBytes, hop);
      trial.plain += plainCost;
    }
    if (trial.bodies < TRIAL_BODIES) return;
    const margin = 1 - this.policy.trialMarginPercent / 100;
    const changes =
      this.mode === "coded" ? trial.plain < trial.coded * margin : trial.coded < trial.plain * margin;
    if (changes) {
      this.mode = this.mode === "coded" ? "plain" : "coded";
      this.chain.end();
    }
    const { trialEveryBodies, maxTrialEveryBodies } = this.policy;
    this.trialEvery = changes ? trialEveryBodies : Math.min(this.trialEvery * 2, maxTrialEveryBodies);
    this.untilTrial = this.trialEvery;
    this.trial = undefined;
  }
}

/** Returns the prefix of a body of this form, for one alias. Its length is a multiple of three bytes. */
export function encodeLanePrefix(form: BodyForm, alias: number): Uint8Array {
  if (form === "snapshot") return encodeSnapshotPrefix(alias);
  return form === "rows" || form === "deflated"
    ? encodeDataPrefix(form, alias)
    : encodeCodedPrefix(form, alias);
}

/** Returns the bytes that all receivers of a body share. Throws `limit-exceeded` for a payload that fits no block. */
export function encodeLaneBody(body: LaneBody): Uint8Array {
  return "to" in body ? encodeDataBody(body) : encodeCodedBody(body);
}

/** Whether the body needs no body before it, and the lane continues from it. An independent body does not count. */
export function beginsAnew(body: LaneBody): boolean {
  const { form } = body;
  return form === "key" || form === "map" || form === "rows" || form === "deflated";
}

function startTrial(shadow: ColumnCodec | undefined): Trial {
  return { shadow, bodies: 0, coded: 0, plain: 0 };
}

/** Returns undefined for a batch over the codec's limits, which then travels as rows. Throws every other error. */
function unlessTooMuch<T>(encode: () => T): T | undefined {
  try {
    return encode();
  } catch (error) {
    if (error instanceof StanzapackError && error.scope === "update") return undefined;
    throw error;
  }
}

function packedBytes({ packed }: LaneBatch): number {
  return byteCountOf(packed);
}

function conflatedOf({ from, to, rows }: ChainBatch): number {
  return to - from + 1 - rows.length;
}

function independent(batch: LaneBatch, limits: CodecLimits): LaneBody {
  const payload = new ColumnCodec(limits).encode({ ...batch, conflated: conflatedOf(batch) });
  return { form: "independent", epoch: batch.epoch, from: batch.from, payload };
}

import { StanzapackError } from "./errors.js";

/**
 * Every bound of the wire format. A peer's HELLO may narrow what we send to the peer. It never widens our own bounds.
 */
export interface Limits {
  /** Largest accepted block, in bytes before base64. 65,535: XEP-0047 §2.1, and it bounds one allocation. */
  readonly maxBlockBytes: number;
  /** Most frames in one block. 21,845: the largest block holds that many frames of three bytes. */
  readonly maxFramesPerBlock: number;
  /** Largest whole frame, in bytes. 65,535: one block, because a frame never spans blocks. */
  readonly maxFrameBytes: number;
  /** Most bytes that one deflated payload may inflate to. 1 MiB: sixteen full blocks. It bounds a deflate bomb. */
  readonly maxInflatedBytes: number;
  /** Deepest nesting of arrays and maps in one value. 32: real data stays below 10. More needs a larger stack. */
  readonly maxDepth: number;
  /** Most msgpack items (leaves, keys, containers) in one value. 65,536: one for each byte of the largest frame. */
  readonly maxItems: number;
  /** Most rows in one DATA frame. 4,096: 40 s of a 100 Hz service. */
  readonly maxRowsPerFrame: number;
  /** Largest single update, in bytes of msgpack. 48 KiB: it fits one block, with room for its headers. */
  readonly maxUpdateBytes: number;
  /** Longest text of an ERROR or BYE, in UTF-16 code units. 1,024: a few sentences for a person. */
  readonly maxTextChars: number;
  /** Most nodes or aliases in a request by frame, or in an answer to it. 10,000: the subscriptions of one link. */
  readonly maxTargetsPerFrame: number;
  /** Longest key of a map, in UTF-16 code units. 512: a path or a name with its domain. */
  readonly maxMapKeyChars: number;
  /** Longest name of a method, in UTF-16 code units. 64: as long as the name of a service. */
  readonly maxMethodChars: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxBlockBytes: 65_535,
  maxFramesPerBlock: 21_845,
  maxFrameBytes: 65_535,
  maxInflatedBytes: 1_048_576,
  maxDepth: 32,
  maxItems: 65_536,
  maxRowsPerFrame: 4_096,
  maxUpdateBytes: 49_152,
  maxTextChars: 1_024,
  maxTargetsPerFrame: 10_000,
  maxMapKeyChars: 512,
  maxMethodChars: 64,
};

/** Throws `limit-exceeded` when `length` is over `limit`; call it before allocating. */
export function assertWithin(length: number, limit: number, what: string): void {
  if (length > limit) {
    throw new StanzapackError("limit-exceeded", `${what} of ${length} is over the limit of ${limit}`, {
      origin: "peer",
    });
  }
}

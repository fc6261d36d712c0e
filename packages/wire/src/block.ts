import { StanzapackError } from "./errors.js";
import { decodeFrame } from "./frame-codec.js";
import type { Frame } from "./frames.js";
import { assertWithin, type Limits } from "./limits.js";
import { NIL, plainBytes } from "./msgpack.js";
import { measureValue } from "./msgpack-measure.js";

/**
 * The frames of one block: whole frames with `C0` padding between them. Throws `malformed` or `limit-exceeded`; frames before the
 * fault are not returned, since the link ends anyway.
 */
export function decodeBlock(block: Uint8Array, limits: Limits): Frame[] {
  assertWithin(block.length, limits.maxBlockBytes, "block");
  const bytes = plainBytes(block);
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] === NIL) {
      at++;
      continue;
    }
    const end = measureValue(bytes, at, limits);
    assertWithin(frames.length + 1, limits.maxFramesPerBlock, "frames of a block");
    frames.push(decodeFrame(bytes.subarray(at, end), limits));
    at = end;
  }
  return frames;
}

/** Gathers ready base64 frames into blocks of at most `maxBlockBytes`. */
export interface BlockWriter {
  /** Adds one frame: ready base64, its length a multiple of four without `=`. `data`: it is DATA or SNAPSHOT. */
  append(base64: string, data: boolean): void;
  readonly empty: boolean;
  /** How many of the blocks gathered since the last `take` hold data. */
  readonly dataBlocks: number;
  /** From now on no block is larger than this either, in bytes: what the peer's HELLO says. */
  narrow(maxBlockBytes: number): void;
  /** The blocks gathered since the last call; `data` tells which of them count as data stanzas. */
  take(): { readonly base64: string; readonly data: boolean }[];
}

export function createBlockWriter(blockSizeBytes: number): BlockWriter {
  const charsOf = (bytes: number): number => Math.floor(bytes / 3) * 4;
  let maxChars = charsOf(blockSizeBytes);
  let blocks: { base64: string; data: boolean }[] = [];
  return {
    get empty() {
      return blocks.length === 0;
    },
    get dataBlocks() {
      return blocks.reduce((count, { data }) => count + (data ? 1 : 0), 0);
    },
    narrow(maxBlockBytes) {
      maxChars = Math.min(maxChars, charsOf(maxBlockBytes));
    },
    append(base64, data) {
      if (base64.length > maxChars)
        throw new StanzapackError(
          "limit-exceeded",
          `a frame of ${(base64.length / 4) * 3} bytes is over the block size of ${(maxChars / 4) * 3}`,
        );
      const last = blocks[blocks.length - 1];
      if (last !== undefined && last.base64.length + base64.length <= maxChars) {
        last.base64 += base64;
        last.data ||= data;
      } else blocks.push({ base64, data });
    },
    take() {
      const taken = blocks;
      blocks = [];
      return taken;
    },
  };
}

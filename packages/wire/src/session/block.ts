import { StanzapackError } from "../base/errors.js";
import { decodeFrame } from "../frames/frame-codec.js";
import type { Frame } from "../frames/frames.js";
import { assertWithin, type Limits } from "../base/limits.js";
import { NIL, plainBytes } from "../msgpack/msgpack.js";
import { measureValue } from "../msgpack/msgpack-measure.js";

/**
 * Returns the frames of one block: whole frames with `C0` padding between them. Throws what ends the link, such as
 * `malformed` or `limit-exceeded`; then it returns no frame of the block.
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

/** A block that is ready to be sent. */
export interface ReadyBlock<Body> {
  /** Base64 in groups of four characters, without `=`. */
  readonly base64: string;
  /** Whether the block counts as a stanza with data. */
  readonly data: boolean;
  /** Number of its last bytes that are padding. */
  readonly pad: number;
  /** Short form of its frame, if the block has one frame alone and that frame has a short form. */
  readonly body: Body | undefined;
  /** Label of the short form; 0 without one. */
  readonly label: number;
}

/**
 * Gathers frames in base64 into blocks of a bounded size. `Body`: the short form of a frame, for a block of that frame
 * alone.
 */
export interface BlockWriter<Body = never> {
  /**
   * Adds one frame. `base64`: its length is a multiple of four, without `=`. `data`: the frame is DATA. `pad`: number
   * of its last bytes that are padding. `body` and `label`: its short form. Throws `limit-exceeded` for a frame over
   * the block size.
   */
  append(base64: string, data: boolean, pad?: number, body?: Body, label?: number): void;
  readonly empty: boolean;
  /** How many of the blocks gathered since the last `take` hold data. */
  readonly dataBlocks: number;
  /** Lowers the block size to that of the peer's HELLO, in bytes. A larger value changes nothing. */
  narrow(maxBlockBytes: number): void;
  /** The blocks gathered since the last call. */
  take(): readonly ReadyBlock<Body>[];
}

interface OpenBlock<Body> {
  base64: string;
  data: boolean;
  pad: number;
  body: Body | undefined;
  label: number;
}

const NO_BLOCKS: readonly never[] = [];

export function createBlockWriter<Body = never>(blockSizeBytes: number): BlockWriter<Body> {
  return new GatheringWriter<Body>(blockSizeBytes);
}

/** A class and not an object of closures: a component has one for each client. */
class GatheringWriter<Body> implements BlockWriter<Body> {
  private maxChars: number;
  private blocks: OpenBlock<Body>[] = [];

  constructor(blockSizeBytes: number) {
    this.maxChars = charsOf(blockSizeBytes);
  }

  get empty(): boolean {
    return this.blocks.length === 0;
  }
  get dataBlocks(): number {
    let count = 0;
    for (const { data } of this.blocks) if (data) count++;
    return count;
  }

  narrow(maxBlockBytes: number): void {
    this.maxChars = Math.min(this.maxChars, charsOf(maxBlockBytes));
  }

  append(base64: string, data: boolean, pad = 0, body?: Body, label = 0): void {
    const { blocks, maxChars } = this;
    if (base64.length > maxChars)
      throw new StanzapackError(
        "limit-exceeded",
        `a frame of ${(base64.length / 4) * 3} bytes is over the block size of ${(maxChars / 4) * 3}`,
      );
    const last = blocks[blocks.length - 1];
    if (last !== undefined && last.base64.length + base64.length <= maxChars) {
      last.base64 += base64;
      last.data ||= data;
      last.pad = pad;
      last.body = undefined;
      last.label = 0;
    } else blocks.push({ base64, data, pad, body, label });
  }

  take(): readonly ReadyBlock<Body>[] {
    const { blocks } = this;
    if (blocks.length === 0) return NO_BLOCKS;
    this.blocks = [];
    return blocks;
  }
}

/** Characters of base64 of the whole groups of three bytes. */
function charsOf(bytes: number): number {
  return Math.floor(bytes / 3) * 4;
}

import type { BlockInfo } from "./in-band-bytestreams.js";

/**
 * Most blocks that wait for a handler, and most bytes in them. One read of the socket may hold blocks after the answer
 * to an open.
 */
const MAX_BLOCKS = 1_024;
const MAX_BYTES = 1_048_576;

/** Blocks that arrived before their bytestream had a handler. */
export class EarlyBlocks {
  readonly blocks: (readonly [Uint8Array, BlockInfo])[] = [];
  private bytes = 0;

  /** Keeps a block. Returns false when more blocks or bytes wait than may. */
  add(block: Uint8Array, info: BlockInfo): boolean {
    this.blocks.push([block, info]);
    this.bytes += block.length;
    return this.blocks.length <= MAX_BLOCKS && this.bytes <= MAX_BYTES;
  }
}

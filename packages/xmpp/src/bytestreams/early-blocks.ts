import type { BlockInfo } from "./in-band-bytestreams.js";

/** Most blocks, and bytes of them, that wait for a handler: what one read of the socket can hold after the answer to an open. */
const MAX_BLOCKS = 1_024;
const MAX_BYTES = 1_048_576;

/** The blocks that arrived before their bytestream had a handler. */
export class EarlyBlocks {
  readonly blocks: (readonly [Uint8Array, BlockInfo])[] = [];
  private bytes = 0;

  /** Keeps a block. Returns false where that is more than may wait. */
  add(block: Uint8Array, info: BlockInfo): boolean {
    this.blocks.push([block, info]);
    this.bytes += block.length;
    return this.blocks.length <= MAX_BLOCKS && this.bytes <= MAX_BYTES;
  }
}

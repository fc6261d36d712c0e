import { decodeBlock, DEFAULT_LIMITS, StanzapackError, type Frame } from "@stanzapack/wire";

/** A block of the component, as a client needs it here. */
export interface ReadBlock {
  readonly frames: readonly Frame[];
  /** It counts for acknowledgements. */
  readonly hasData: boolean;
  /** It asks for an acknowledgement at once. */
  readonly asksAck: boolean;
}

/**
 * Reads blocks. Subscribers of one lane get the same characters, one after another, so the last block is kept: a client costs little
 * beside the component that is measured.
 */
export class BlockReader {
  private last: { readonly base64: string; readonly block: ReadBlock } | undefined;

  /** Throws `malformed` for what is no block. */
  read(base64: string): ReadBlock {
    if (this.last?.base64 === base64) return this.last.block;
    const bytes = Buffer.from(base64, "base64");
    if (bytes.length === 0) throw new StanzapackError("malformed", "a block without bytes");
    const frames = decodeBlock(bytes, DEFAULT_LIMITS);
    const block = {
      frames,
      hasData: frames.some(({ type }) => type === "data" || type === "coded"),
      asksAck: frames.some((frame) => frame.type === "credit" && frame.alias === null),
    };
    this.last = { base64, block };
    return block;
  }
}

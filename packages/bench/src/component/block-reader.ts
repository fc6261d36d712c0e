import { decodeBlock, DEFAULT_LIMITS, StanzapackError, type Frame } from "@stanzapack/wire";
import { readLeanBlock, readLeanHeader } from "@stanzapack/xmpp";

/** A block of the component, as a simulated client needs it. */
export interface ReadBlock {
  readonly frames: readonly Frame[];
  /** Whether the block counts for acknowledgements. */
  readonly hasData: boolean;
  /** Whether the block asks for an acknowledgement at once. */
  readonly asksAck: boolean;
}

/** A block of one chained body. */
const ONE_BODY: ReadBlock = { frames: [], hasData: true, asksAck: false };

/**
 * Reads blocks. Subscribers of one lane receive the same characters, one after another, so the reader keeps the last
 * block. A client then costs little compared with the measured component.
 */
export class BlockReader {
  private last: { readonly base64: string; readonly block: ReadBlock } | undefined;

  /** Reads the block of a `<data/>`. Throws `malformed`. */
  read(base64: string): ReadBlock {
    if (this.last?.base64 === base64) return this.last.block;
    const block = this.decode(Buffer.from(base64, "base64"));
    this.last = { base64, block };
    return block;
  }

  /** Reads the block in the id of a lean stanza. Throws `malformed`. */
  readLean(id: string): ReadBlock & { readonly seq: number } {
    const header = readLeanHeader(id);
    if (header === undefined) throw new StanzapackError("malformed", "not the id of a lean stanza");
    const { seq, label } = header;
    return { ...(label === undefined ? this.decode(readLeanBlock(id)) : ONE_BODY), seq };
  }

  private decode(bytes: Uint8Array | undefined): ReadBlock {
    if (bytes === undefined || bytes.length === 0)
      throw new StanzapackError("malformed", "a block without bytes");
    const frames = decodeBlock(bytes, DEFAULT_LIMITS);
    return {
      frames,
      hasData: frames.some(({ type }) => type === "data" || type === "coded"),
      asksAck: frames.some((frame) => frame.type === "credit" && frame.alias === null),
    };
  }
}

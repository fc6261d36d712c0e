import { decodeBlock, DEFAULT_LIMITS, StanzapackError, type Frame } from "@stanzapack/wire";
import { readLeanBlock, readLeanHeader } from "@stanzapack/xmpp";

/** A block of the component, as a client needs it here. */
export interface ReadBlock {
  readonly frames: readonly Frame[];
  /** It counts for acknowledgements. */
  readonly hasData: boolean;
  /** It asks for an acknowledgement at once. */
  readonly asksAck: boolean;
}

/** One chained body and nothing else. */
const ONE_BODY: ReadBlock = { frames: [], hasData: true, asksAck: false };

/**
 * Reads blocks. Subscribers of one lane get the same characters, one after another, so the last block is kept: a client costs little
 * beside the component that is measured.
 */
export class BlockReader {
  private last: { readonly base64: string; readonly block: ReadBlock } | undefined;

  /** Of a `<data/>`. Throws `malformed` for what is no block. */
  read(base64: string): ReadBlock {
    if (this.last?.base64 === base64) return this.last.block;
    const block = this.decode(Buffer.from(base64, "base64"));
    this.last = { base64, block };
    return block;
  }

  /** Of the id of a lean stanza. Throws `malformed` for what is none. */
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

import {
  blockOf,
  formatDataStanza,
  formatLeanStanza,
  LINK_ENVELOPE,
  readId,
  readPayload,
  type SentBody,
} from "@stanzapack/estimate";
import { decodeBase64, readLeanId } from "@stanzapack/xmpp";

/** What holds the blocks of a link: the `id` of a lean stanza, or In-Band Bytestreams. */
export type StanzaEnvelope = "lean" | "ibb";

export interface LinkStanza {
  readonly text: string;
  readonly envelope: StanzaEnvelope;
}

/** A block as it is received. With `label`, the block is the payload of one chained body of that alias. */
export interface LinkBlock {
  readonly block: Uint8Array;
  readonly label: number | undefined;
}

/** The stanzas of one link, in order. No other part of `bench codec` knows how a block travels. */
export class LinkStanzas {
  private seq = 0;

  /** The next stanza. It is lean if the block is small enough. */
  next(sent: SentBody): LinkStanza {
    const out = blockOf(sent);
    const seq = this.seq++;
    const lean = formatLeanStanza(out, seq, LINK_ENVELOPE);
    return lean === undefined
      ? { text: formatDataStanza(out.base64, seq, LINK_ENVELOPE), envelope: "ibb" }
      : { text: lean, envelope: "lean" };
  }

  /** The block of a stanza. Undefined if it cannot be read. */
  read({ text, envelope }: LinkStanza): LinkBlock | undefined {
    if (envelope === "lean") return readLeanId(readId(text));
    const block = decodeBase64(readPayload(text));
    return block && { block, label: undefined };
  }
}

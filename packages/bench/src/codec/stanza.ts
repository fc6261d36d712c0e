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

/** What holds the blocks of a link: an `id`, or In-Band Bytestreams. */
export type StanzaEnvelope = "lean" | "ibb";

export interface LinkStanza {
  readonly text: string;
  readonly envelope: StanzaEnvelope;
}

/** A block as it comes; `label`: it is the payload of one chained body, of that alias. */
export interface LinkBlock {
  readonly block: Uint8Array;
  readonly label: number | undefined;
}

/** The stanzas of one link, one after another: nothing else of `bench codec` knows how a block travels. */
export class LinkStanzas {
  private seq = 0;

  /** Lean where the block is small enough for that. */
  next(sent: SentBody): LinkStanza {
    const out = blockOf(sent);
    const seq = this.seq++;
    const lean = formatLeanStanza(out, seq, LINK_ENVELOPE);
    return lean === undefined
      ? { text: formatDataStanza(out.base64, seq, LINK_ENVELOPE), envelope: "ibb" }
      : { text: lean, envelope: "lean" };
  }

  /** Undefined: it cannot be read. */
  read({ text, envelope }: LinkStanza): LinkBlock | undefined {
    if (envelope === "lean") return readLeanId(readId(text));
    const block = decodeBase64(readPayload(text));
    return block && { block, label: undefined };
  }
}

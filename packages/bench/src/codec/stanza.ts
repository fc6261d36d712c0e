import { formatDataStanza, readPayload, type Envelope, type SentBody } from "@stanzapack/estimate";
import { decodeBase64, encodeBase64 } from "@stanzapack/xmpp";

/** What holds the blocks of a link: an `id`, or In-Band Bytestreams. */
export type StanzaEnvelope = "lean" | "ibb";

export interface LinkStanza {
  readonly text: string;
  readonly envelope: StanzaEnvelope;
}

/** What surrounds the blocks of one link, as `stanzapack estimate` counts it: short addresses, a `sid` of four characters. */
export const LINK: Envelope = { from: "streams.example.org", to: "bob@example.org/phone", sid: "k3Zq" };

/** The stanzas of one link, one after another: nothing else of `bench codec` knows how a block travels. */
export class LinkStanzas {
  private seq = 0;

  next({ frame }: SentBody): LinkStanza {
    return { text: formatDataStanza(encodeBase64(frame), this.seq++, LINK), envelope: "ibb" };
  }

  /** The block that a stanza holds; undefined: it cannot be read. */
  read({ text }: LinkStanza): Uint8Array | undefined {
    return decodeBase64(readPayload(text));
  }
}

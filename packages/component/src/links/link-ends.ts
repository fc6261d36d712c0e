import type { StanzapackError } from "@stanzapack/wire";
import type { ClientLink } from "./client-link.js";

/** How the parts of the link table write to a link, and end it. */
export interface LinkEnds {
  /** Writes what waits on the link, where there is a stream to the server. */
  write(link: ClientLink): void;
  /** Tells the client why by BYE, closes the bytestream, and ends the link. Idempotent. */
  bye(link: ClientLink, error: StanzapackError): void;
  /** Ends the link without a word to the client. `why` is for the log. Idempotent. */
  end(link: ClientLink, why: string): void;
}

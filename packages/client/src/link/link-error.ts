import { linkCodeOf, StanzapackError } from "@stanzapack/wire";
import { StanzaError } from "@stanzapack/xmpp";
import { toStanzapackError } from "../base/errors.js";

/**
 * Returns the error that ends a link. Conditions that name a service or a request elsewhere are about the link here.
 */
export function toLinkError(error: unknown, doing: string): StanzapackError {
  if (error instanceof StanzaError) {
    const { condition, text } = error;
    // XEP-0047 §2.2: a block was lost or damaged, and either side found out.
    const code = error.type === "wait" ? "protocol" : linkCodeOf(condition);
    if (code !== "protocol")
      return new StanzapackError(code, `${doing}: ${text}`, { origin: "transport", cause: error });
    if (condition === "item-not-found") {
      const why = "the component no longer knows the link";
      return new StanzapackError("disconnected", `${doing}: ${why}`, { origin: "peer", cause: error });
    }
  }
  return toStanzapackError(error, doing);
}

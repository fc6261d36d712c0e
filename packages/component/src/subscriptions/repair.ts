import { StanzapackError, type RepairFrame } from "@stanzapack/wire";
import type { ClientLink } from "../links/client-link.js";

/** Takes a subscriber's request for checksums or entries of a map. Throws what ends its link. */
export function takeRepair(link: ClientLink, frame: RepairFrame): void {
  const { alias } = frame;
  if (frame.role === "entries") throw wrong("only the component sends entries by REPAIR");
  if (!link.takesDigests) throw wrong("REPAIR of a client whose HELLO does not list it");
  const subscription = link.subscriptions.get(alias);
  if (subscription === undefined) {
    // The subscription may have ended meanwhile.
    if (link.isRetired(alias)) return;
    const text = `REPAIR for alias ${alias}, which is not a subscription of this link`;
    throw new StanzapackError("unknown-alias", text, { origin: "peer" });
  }
  const { kind, node } = subscription.service;
  if (kind.repair === undefined) throw wrong(`REPAIR for \`${node}\`, which is no map`);
  kind.repair(subscription, frame);
}

function wrong(text: string): StanzapackError {
  return new StanzapackError("protocol", text, { origin: "peer" });
}

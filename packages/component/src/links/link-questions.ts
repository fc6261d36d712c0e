import { monotonicNow, NS, StanzaError, type Connection } from "@stanzapack/xmpp";
import type { ComponentStats } from "../base/stats.js";
import type { LinkTable } from "./link-table.js";

/**
 * Answers clients that ask whether their link lives (XEP-0199), and takes hints that a client is gone. Returns an undo
 * function.
 */
export function registerLinkQuestions(
  connection: Connection,
  links: LinkTable,
  stats: ComponentStats,
): () => void {
  const offs = [
    connection.onIq("get", NS.PING, "ping", async ({ from, to }) => {
      // A client asks about its own link. The ping's address has the link's sid as its resource. After a restart the
      // component does not know that link.
      const slash = to.indexOf("/");
      const sid = slash < 0 ? "" : to.slice(slash + 1);
      const link = links.get(from);
      if (link !== undefined) {
        link.heardAt = monotonicNow();
        link.hear();
      }
      if (sid === "") return undefined;
      if (link?.stream.sid !== sid) {
        stats.strays++;
        throw new StanzaError("item-not-found", "cancel", "no such link");
      }
      // The answer is a barrier, so everything that was received is acknowledged before it.
      await links.acknowledge(link);
      return undefined;
    }),
    connection.onStanza((stanza) => {
      if (!stanza.is("presence")) return false;
      const type = stanza.attrs["type"] as string | undefined;
      if (type !== "unavailable" && type !== "error") return false;
      links.hint(stanza.attrs["from"] as string);
      return true;
    }),
  ];
  return () => {
    for (const off of offs) off();
  };
}

import { NS, StanzaError, xml, type Connection } from "@stanzapack/xmpp";
import type { ClientLink } from "./client-link.js";

/** How long a client has to answer whether it lives, in ms (XEP-0199). */
const PING_MS = 10_000;
/** A client that reads stanzas side by side may acknowledge so long after its answer to a ping, in ms. */
const LATE_ACK_MS = 1_000;
/** Conditions that only servers answer with, about a client that is not there. */
const GONE = new Set([
  "gone",
  "item-not-found",
  "jid-malformed",
  "recipient-unavailable",
  "redirect",
  "remote-server-not-found",
]);

/**
 * `alive`: the client answered, or something of it came since it was asked. `unknown`: the component's own stream is gone. An error says
 * why it does not answer.
 */
export type Verdict = "alive" | "unknown" | Error;

/**
 * Asks a client whether it lives: for an acknowledgement, by CREDIT, and right behind it by XEP-0199. An error in its name may be its own,
 * since it has no XEP-0199, or its server's, which has no such client: both are `service-unavailable`. The acknowledgement tells them
 * apart, since no server reads frames.
 */
export async function askClient(
  connection: Connection,
  link: ClientLink,
  /** Writes what waits on the link. */
  write: (link: ClientLink) => void,
): Promise<Verdict> {
  const { heard } = link;
  link.askAck();
  write(link);
  try {
    const ping = xml("iq", { type: "get", to: link.jid }, xml("ping", NS.PING));
    await connection.request(ping, { timeoutMs: PING_MS });
    return "alive";
  } catch (error) {
    if (connection.state !== "online") return "unknown";
    if (error instanceof StanzaError && error.type !== "wait" && !GONE.has(error.condition)) {
      if (link.heard === heard) await heardWithin(link, LATE_ACK_MS);
    }
    return link.heard === heard ? (error as Error) : "alive";
  }
}

function heardWithin(link: ClientLink, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    link.onHeard = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

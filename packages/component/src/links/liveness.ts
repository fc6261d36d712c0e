import { NS, StanzaError, xml, type Connection } from "@stanzapack/xmpp";
import type { ClientLink } from "./client-link.js";
import type { ServerWatch } from "./server-watch.js";

/** Timeout of the ping, in ms. An hour, because the ping needs no deadline of its own. */
const FOR_GOOD_MS = 3_600_000;
/** How long after its answer to a ping a client may acknowledge, in ms, if it reads stanzas side by side. */
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
 * `alive`: the client answered, or something of it arrived since it was asked. `unknown`: the component's own stream is
 * gone. An error says why the client does not answer.
 */
export type Verdict = "alive" | "unknown" | Error;

/**
 * Asks a client whether it lives: for an acknowledgement, by CREDIT, and right after that by XEP-0199. A client without
 * XEP-0199 answers `service-unavailable`. A server that has no such client answers the same in the client's name. The
 * acknowledgement distinguishes the two, since no server reads frames.
 */
export async function askClient(
  connection: Connection,
  /** How long the client has to answer, while the server answers. */
  { watch, ms }: { readonly watch: ServerWatch; readonly ms: number },
  link: ClientLink,
  /** Writes what waits on the link. */
  write: (link: ClientLink) => void,
): Promise<Verdict> {
  const { heard } = link;
  link.askAck();
  write(link);
  const sent = link.stream.sentCount;
  const over = new AbortController();
  let isLate = false;
  void watch.answeredFor(ms, over.signal).then((answered) => {
    isLate = answered;
    over.abort();
  });
  try {
    const ping = xml("iq", { type: "get", to: link.jid }, xml("ping", NS.PING));
    await connection.request(ping, { timeoutMs: FOR_GOOD_MS, signal: over.signal });
    // The answer came after everything that was sent before the question.
    link.stream.confirm(sent);
    return "alive";
  } catch (error) {
    if (connection.state !== "online") return "unknown";
    if (error instanceof StanzaError && error.type !== "wait" && !GONE.has(error.condition)) {
      if (link.heard === heard) await heardWithin(link, watch);
    }
    if (link.heard !== heard) return "alive";
    return isLate ? new Error(`no answer within ${ms} ms`) : (error as Error);
  } finally {
    over.abort();
  }
}

async function heardWithin(link: ClientLink, watch: ServerWatch): Promise<void> {
  const heard = new AbortController();
  link.onHeard = () => heard.abort();
  await watch.answeredFor(LATE_ACK_MS, heard.signal);
}

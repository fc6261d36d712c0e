import {
  bareJid,
  formatStanzaError,
  NS,
  StanzaError,
  xml,
  type Connection,
  type Element,
} from "@stanzapack/xmpp";
import type { Budgets } from "../budgets/budgets.js";
import { countRefusal } from "../base/refusals.js";
import type { ComponentStats } from "../base/stats.js";
import { toStanzaError } from "../forms/errors.js";

const NOBODY = "nobody has this address: the only address of Stanzapack is its domain";

/**
 * Answers stanzas to addresses that do not exist, so that no handler after it sees them. The component has its domain
 * alone as its address. No address with a local part exists. A resource is only for the question whether a link is
 * there. Returns the undo.
 */
export function registerUnknownAddresses(
  connection: Connection,
  budgets: Budgets,
  stats: ComponentStats,
): () => void {
  return connection.onStanza((stanza) => {
    const { to = connection.jid, from, type } = stanza.attrs as Record<string, string | undefined>;
    const isUser = bareJid(to).includes("@");
    const isResource = !isUser && to.includes("/");
    if (from === undefined || !(isUser || isResource)) return false;
    // An error says something about its sender, whatever address it was for.
    if (type === "error" || (stanza.is("presence") && type === "unavailable")) return false;
    if (isResource && stanza.is("iq") && stanza.getChild("ping", NS.PING) !== undefined) return false;
    countRefusal(stats, from, new StanzaError("item-not-found", "cancel", NOBODY));
    const answer = answerFor(stanza, to, from, type, budgets);
    if (answer !== undefined) connection.sendElement(answer);
    return true;
  });
}

function answerFor(
  stanza: Element,
  to: string,
  from: string,
  type: string | undefined,
  budgets: Budgets,
): Element | undefined {
  const isIq = stanza.is("iq");
  try {
    budgets.request(from);
  } catch (error) {
    // RFC 6120 §8.2.3: an iq must be answered, even if its sender is over its budget.
    const fault = toStanzaError(error);
    if (isIq && fault instanceof StanzaError) return errorAnswer(stanza, fault);
    return undefined;
  }
  if (isIq) {
    // XEP-0030 §3.1; RFC 6121 §8.5.1 for all others.
    const ns = stanza.getChild("query")?.getNS();
    const isDisco = ns === NS.DISCO_INFO || ns === NS.DISCO_ITEMS;
    return errorAnswer(
      stanza,
      new StanzaError(isDisco ? "item-not-found" : "service-unavailable", "cancel", NOBODY),
    );
  }
  // RFC 6121 §8.5.1: a message is answered with an error, but nobody wants a headline back.
  if (stanza.is("message"))
    return type === "headline"
      ? undefined
      : errorAnswer(stanza, new StanzaError("service-unavailable", "cancel", NOBODY));
  return answerPresence(stanza, to, from, type);
}

/**
 * Returns the answer to presence for an address without presence. A subscription and a probe receive `unsubscribed`
 * (RFC 6121 §3.1.3, §4.3.2). A client that joins a room receives an error (XEP-0045 §7.2). Other presence has no
 * answer.
 */
export function answerPresence(
  presence: Element,
  to: string,
  from: string,
  type: string | undefined,
): Element | undefined {
  if (type === "subscribe" || type === "probe")
    return xml(
      "presence",
      { from: bareJid(to), to: bareJid(from), type: "unsubscribed" },
      xml("status", {}, "Stanzapack has no presence: subscribe to the nodes of its services (XEP-0060)"),
    );
  const join = presence.getChild("x", NS.MUC);
  if (type !== undefined || (join === undefined && !to.includes("/"))) return undefined;
  const text = "there are no rooms here: Stanzapack carries data streams";
  return errorAnswer(
    presence,
    // XEP-0045 §7.2: clients recognise the answer by this element.
    new StanzaError(...(["item-not-found", "cancel", text, undefined] as const), join && xml("x", NS.MUC)),
  );
}

/** Returns the answer of type `error` to a stanza (RFC 6120 §8.3.1). */
export function errorAnswer(stanza: Element, error: StanzaError): Element {
  const { from, to, id } = stanza.attrs as Record<string, string | undefined>;
  const answer = xml(stanza.getName(), { from: to, to: from, id, type: "error" });
  if (error.payload !== undefined) answer.append(error.payload);
  answer.append(formatStanzaError(error));
  return answer;
}

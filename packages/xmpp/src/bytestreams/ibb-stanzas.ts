import { StanzaError } from "../base/errors.js";
import * as NS from "../base/namespaces.js";
import { formatStanzaError } from "../stanzas/stanza-errors.js";
import { xml, type Element } from "../xml/xml.js";
import { SEQ_COUNT } from "./bytestream-sender.js";
import { isLeanText } from "./lean-stanzas.js";

/** `xs:NMTOKEN` of XEP-0047 §9 (XML 1.0 §2.3, NameChar). Bounded, since sids are kept. */
export const SID =
  /^[-.:\w\xB7\xC0-\xD6\xD8-\xF6\xF8-\u037D\u037F-\u1FFF\u200C\u200D\u203F\u2040\u2070-\u218F\u2C00-\u2FEF\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\u{10000}-\u{EFFFF}]{1,256}$/u;

/**
 * Returns the child of XEP-0047. Servers add elements of their own, such as `<delay/>`. The hot path: it makes no array
 * for each stanza.
 */
export function ibbChild(stanza: Element): Element | undefined {
  for (const child of stanza.children)
    if (typeof child === "object" && child.getNS() === NS.IBB) return child;
  return undefined;
}

/** Elements that servers add to a message, even to one without children (XEP-0203, XEP-0359). */
const ADDED: ReadonlySet<string | undefined> = new Set([NS.DELAY, NS.LEGACY_DELAY, NS.STANZA_IDS]);

/** Whether a message has only attributes of its sender. It may have an error, when it was returned. */
export function isChildless(stanza: Element): boolean {
  for (const child of stanza.children) {
    if (typeof child === "string") {
      if (child.trim() !== "") return false;
    } else if (child.name !== "error" && !ADDED.has(child.getNS())) return false;
  }
  return true;
}

/** Returns the answer to a stanza of XEP-0047: an empty result, or the error. */
export function formatAnswer(stanza: Element, error?: StanzaError): Element {
  const { from, to, id } = stanza.attrs as Record<string, string | undefined>;
  const reply = xml(stanza.name, {
    type: error === undefined ? "result" : "error",
    to: from,
    from: to,
    id,
  });
  if (error !== undefined) {
    // The sid shows the sender which of its streams failed, because message mode has no ids.
    const data = stanza.getChild("data", NS.IBB);
    const { sid, seq } = (data?.attrs ?? {}) as Record<string, string | undefined>;
    // A text that is no sid may be long, and even longer when it is escaped again.
    if (sid !== undefined && SID.test(sid))
      reply.append(
        xml("data", { xmlns: NS.IBB, sid, seq: parseUnsignedShort(seq) === undefined ? undefined : seq }),
      );
    reply.append(formatStanzaError(error));
  }
  return reply;
}

/** Returns the error that answers a lean stanza. */
export function formatLeanAnswer(stanza: Element, id: string, error: StanzaError): Element {
  const { from, to } = stanza.attrs as Record<string, string | undefined>;
  // An id that is not of a lean stanza may be long, and even longer when it is escaped again.
  const attrs = { type: "error", to: from, from: to, id: isLeanText(id) ? id : undefined };
  return xml("message", attrs, formatStanzaError(error));
}

/** Reads an `xs:unsignedShort` (XEP-0047 §9). Returns undefined for other texts. */
export function parseUnsignedShort(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  const number = Number(text);
  return number < SEQ_COUNT ? number : undefined;
}

/** XEP-0047 §2.2: the error for a block whose `seq` is not the expected one. */
export function unexpected(text: string): StanzaError {
  return new StanzaError("unexpected-request", "cancel", text);
}

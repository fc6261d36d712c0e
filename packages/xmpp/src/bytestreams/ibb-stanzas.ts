import { StanzaError } from "../base/errors.js";
import * as NS from "../base/namespaces.js";
import { formatStanzaError } from "../stanzas/stanza-errors.js";
import { xml, type Element } from "../xml/xml.js";
import { SEQ_COUNT } from "./bytestream-sender.js";
import { isLeanText } from "./lean-stanzas.js";

/** `xs:NMTOKEN` of XEP-0047 §9 (XML 1.0 §2.3, NameChar), and bounded, since it is kept. */
export const SID =
  /^[-.:\w\xB7\xC0-\xD6\xD8-\xF6\xF8-\u037D\u037F-\u1FFF\u200C\u200D\u203F\u2040\u2070-\u218F\u2C00-\u2FEF\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\u{10000}-\u{EFFFF}]{1,256}$/u;

/** Without an array for each stanza: this is the hot path. Servers add elements of their own, such as `<delay/>`. */
export function ibbChild(stanza: Element): Element | undefined {
  for (const child of stanza.children)
    if (typeof child === "object" && child.getNS() === NS.IBB) return child;
  return undefined;
}

/** What servers add to a message that has nothing else (XEP-0203, XEP-0359). */
const ADDED: ReadonlySet<string | undefined> = new Set([NS.DELAY, NS.LEGACY_DELAY, NS.STANZA_IDS]);

/** A message that has nothing of its sender but attributes; an error beside them, where it comes back. */
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
    // The sid lets the sender know which of its streams is meant: message mode has no ids.
    const data = stanza.getChild("data", NS.IBB);
    const { sid, seq } = (data?.attrs ?? {}) as Record<string, string | undefined>;
    // What is no sid may be long, and longer when it is written again.
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
  // What is no id of ours may be long, and longer when it is written again.
  const attrs = { type: "error", to: from, from: to, id: isLeanText(id) ? id : undefined };
  return xml("message", attrs, formatStanzaError(error));
}

/** XEP-0047 §9, `xs:unsignedShort`. */
export function parseUnsignedShort(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  const number = Number(text);
  return number < SEQ_COUNT ? number : undefined;
}

/** XEP-0047 §2.2: the error of a block whose `seq` is not the one that is due. */
export function unexpected(text: string): StanzaError {
  return new StanzaError("unexpected-request", "cancel", text);
}

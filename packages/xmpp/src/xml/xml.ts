import "../base/require-begin.node.js";
import { Element, escapeXML, escapeXMLText } from "@xmpp/xml";
import xml from "@xmpp/xml";
import { assertXmlCharacters } from "./xml-characters.js";

// `import "ltx"` gives another Element class than the one that xmpp.js checks against. So build elements only with
// these.
export { Element, xml };

/** Escapes text for use between quotes in an attribute. Throws `XmppError` (`invalid-xml`) when XML cannot carry it. */
export function escapeAttribute(text: string): string {
  assertXmlCharacters(text);
  return escapeXML(text);
}

/** Escapes text for use between tags. Throws `XmppError` (`invalid-xml`) when XML cannot carry it. */
export function escapeText(text: string): string {
  assertXmlCharacters(text);
  return escapeXMLText(text);
}

/** Appends any number of children, also more than a call can take as arguments. Returns `parent`. */
export function appendAll(parent: Element, children: Iterable<Element>): Element {
  for (const child of children) parent.cnode(child);
  return parent;
}

/** Child elements, without text nodes. */
export function childElements(element: Element): Element[] {
  return element.children.filter((child): child is Element => typeof child === "object");
}

import { Element, escapeXML, escapeXMLText } from "@xmpp/xml";
import xml from "@xmpp/xml";

// `import "ltx"` gives another Element class than the one xmpp.js checks against: build with these only.
export { Element, xml };

/** Escapes text for use between quotes in an attribute. */
export const escapeAttribute = (text: string): string => escapeXML(text);

/** Escapes text for use between tags. */
export const escapeText = (text: string): string => escapeXMLText(text);

/** Appends any number of children, which a call could not take as arguments. Gives `parent`. */
export function appendAll(parent: Element, children: Iterable<Element>): Element {
  for (const child of children) parent.cnode(child);
  return parent;
}

/** Child elements, without text nodes. */
export function childElements(element: Element): Element[] {
  return element.children.filter((child): child is Element => typeof child === "object");
}

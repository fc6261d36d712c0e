import "./require-begin.node.js";
import { Element, escapeXML, escapeXMLText } from "@xmpp/xml";
import xml from "@xmpp/xml";

// `import "ltx"` gives another Element class than the one xmpp.js checks against: build with these only.
export { Element, xml };

/** Escapes text for use between quotes in an attribute. */
export const escapeAttribute = (text: string): string => escapeXML(text);

/** Escapes text for use between tags. */
export const escapeText = (text: string): string => escapeXMLText(text);

/** Child elements, without text nodes. */
export function childElements(element: Element): Element[] {
  return element.children.filter((child): child is Element => typeof child === "object");
}

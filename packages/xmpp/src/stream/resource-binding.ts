import { XmppError } from "../base/errors.js";
import { preparedOrSame } from "../addresses/jid.js";
import { parseStanzaError } from "../stanzas/stanza-errors.js";
import type { Element } from "../xml/xml.js";

/** Whether the server bound the requested resource. `asked` is prepared; some servers return it in another spelling. */
export function isSameResource(asked: string, bound: string): boolean {
  return bound === asked || preparedOrSame(`localhost/${bound}`) === `localhost/${asked}`;
}

/** Most characters of a resource in an error's text. */
const QUOTED_CHARS = 60;

export const quote = (resource: string): string =>
  JSON.stringify(resource.length > QUOTED_CHARS ? `${resource.slice(0, QUOTED_CHARS)}…` : resource);

/**
 * The error for a program that gave a resource and does not receive it. A server may answer with an error, as ejabberd
 * does. Or it binds another resource instead, as Prosody does (RFC 6120 §7.7.1).
 */
export function refusedResource(resource: string, why: string): XmppError {
  return new XmppError(
    "resource",
    `the option \`resource\` is ${quote(resource)}, and ${why}: give another, or none`,
  );
}

/** Makes an error from an answer to a bind request that binds nothing (RFC 6120 §7.6.2, §7.7.2). */
export function toBindError(iq: Element, resource: string): XmppError {
  if (iq.attrs["type"] !== "error") return new XmppError("protocol", "the server bound no address");
  const { condition, type, message } = parseStanzaError(iq);
  if (condition === "conflict")
    return new XmppError("conflict", `another session has the resource ${quote(resource)}`);
  // RFC 6120 §7.6.2.1: the account has reached its limit of connected resources.
  if (type === "wait") return new XmppError("unreachable", `the server binds no resource now: ${message}`);
  return refusedResource(resource, `the server refused it: ${message}`);
}

import { XmppError } from "../base/errors.js";
import { preparedOrSame } from "../addresses/jid.js";
import { parseStanzaError } from "../stanzas/stanza-errors.js";
import type { Element } from "../xml/xml.js";

/** Whether the server bound what was asked for, which is prepared; some give it back as they got it from others. */
export function isSameResource(asked: string, bound: string): boolean {
  return bound === asked || preparedOrSame(`localhost/${bound}`) === `localhost/${asked}`;
}

/** At most so many characters of a resource in an error's text. */
const QUOTED_CHARS = 60;

export const quote = (resource: string): string =>
  JSON.stringify(resource.length > QUOTED_CHARS ? `${resource.slice(0, QUOTED_CHARS)}…` : resource);

/**
 * What a program that gave a resource is told where it does not get it. A server may answer with an error, as ejabberd does, or bind
 * another in its place, as Prosody does (RFC 6120 §7.7.1).
 */
export function refusedResource(resource: string, why: string): XmppError {
  return new XmppError(
    "resource",
    `the option \`resource\` is ${quote(resource)}, and ${why}: give another, or none`,
  );
}

/** An answer to a bind request that binds nothing (RFC 6120 §7.6.2, §7.7.2). */
export function toBindError(iq: Element, resource: string): XmppError {
  if (iq.attrs["type"] !== "error") return new XmppError("protocol", "the server bound no address");
  const { condition, type, message } = parseStanzaError(iq);
  if (condition === "conflict")
    return new XmppError("conflict", `another session has the resource ${quote(resource)}`);
  // RFC 6120 §7.6.2.1: as many resources as the account may have are connected.
  if (type === "wait") return new XmppError("unreachable", `the server binds no resource now: ${message}`);
  return refusedResource(resource, `the server refused it: ${message}`);
}

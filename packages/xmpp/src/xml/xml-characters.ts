import { XmppError } from "../base/errors.js";

/** XML 1.0 §2.2, production 2, excludes these characters. A surrogate matches only without its other half. */
const NO_CHARACTER = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\p{Surrogate}]/u;

/** The same, to replace all of them. */
const NO_CHARACTERS = new RegExp(NO_CHARACTER, "gu");

/**
 * Replaces characters that XML 1.0 cannot carry by U+FFFD. For texts that quote others, and that may have been cut
 * within a pair of surrogates.
 */
export function fitForXml(text: string): string {
  return text.replace(NO_CHARACTERS, "\ufffd");
}

/** Returns the name of the first character that XML 1.0 cannot carry, such as `U+0002`. */
export function findNoCharacter(text: string): string | undefined {
  const found = NO_CHARACTER.exec(text)?.[0].codePointAt(0);
  return found === undefined ? undefined : `U+${found.toString(16).toUpperCase().padStart(4, "0")}`;
}

/**
 * Throws `XmppError` (`invalid-xml`) when XML 1.0 cannot carry the text, even with escapes. `what` names the text in
 * the error.
 */
export function assertXmlCharacters(text: string, what = "a text"): void {
  const found = findNoCharacter(text);
  if (found === undefined) return;
  throw new XmppError("invalid-xml", `${what} holds ${found}, a character that XML cannot carry`);
}

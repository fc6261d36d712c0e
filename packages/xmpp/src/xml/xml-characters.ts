import { XmppError } from "../base/errors.js";

/** XML 1.0 §2.2, production 2, leaves these out. A surrogate matches only without its other half. */
const NO_CHARACTER = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\p{Surrogate}]/u;

/** The same, all of them. */
const NO_CHARACTERS = new RegExp(NO_CHARACTER, "gu");

/** For texts that quote what others wrote, cut short perhaps within a pair of surrogates: U+FFFD stands for what XML 1.0 cannot carry. */
export function fitForXml(text: string): string {
  return text.replace(NO_CHARACTERS, "\ufffd");
}

/** Gives the first character that XML 1.0 cannot carry, as `U+0002`. */
export function findNoCharacter(text: string): string | undefined {
  const found = NO_CHARACTER.exec(text)?.[0].codePointAt(0);
  return found === undefined ? undefined : `U+${found.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Throws `XmppError` (`invalid-xml`) when XML 1.0 cannot carry the text, whatever the escapes. `what` names it in the error. */
export function assertXmlCharacters(text: string, what = "a text"): void {
  const found = findNoCharacter(text);
  if (found === undefined) return;
  throw new XmppError("invalid-xml", `${what} holds ${found}, a character that XML cannot carry`);
}

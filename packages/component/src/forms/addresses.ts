import { StanzapackError } from "@stanzapack/wire";
import { prepareBareJid, prepareJid, prepareNode, preparedOrSame } from "@stanzapack/xmpp";

/** A node or a pattern as a request names it, its owner prepared; whether it is one is for others to say. Throws `bad-name`. */
export function nodeNamed(text: string): string {
  try {
    return prepareNode(text);
  } catch (cause) {
    throw new StanzapackError("bad-name", `that is not a node id: ${(cause as Error).message}`, { cause });
  }
}

/** What service discovery asks about, a node or an owner; prepared if it is one of these. */
export function targetNamed(text: string): string {
  try {
    return text.includes("/") ? prepareNode(text) : prepareJid(text);
  } catch {
    return text;
  }
}

/** The account that a list means by a JID: prepared, and without its resource. Throws `invalid-options`. */
export function accountOf(text: string): string {
  try {
    return prepareBareJid(text);
  } catch (cause) {
    throw new StanzapackError("invalid-options", (cause as Error).message, { cause });
  }
}

/** Whether two texts are one address. */
export function isSameJid(text: string, prepared: string): boolean {
  return text === prepared || preparedOrSame(text) === prepared;
}

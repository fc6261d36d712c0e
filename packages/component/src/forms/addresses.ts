import { StanzapackError } from "@stanzapack/wire";
import { prepareBareJid, prepareJid, prepareNode, preparedOrSame } from "@stanzapack/xmpp";

/**
 * Returns the node or pattern that a request names, with its owner prepared. Does not check that it is one. Throws
 * `bad-name`.
 */
export function nodeNamed(text: string): string {
  try {
    return prepareNode(text);
  } catch (cause) {
    throw new StanzapackError("bad-name", `that is not a node id: ${(cause as Error).message}`, { cause });
  }
}

/** Returns what service discovery asks about: a node or an owner, prepared if it is one of these. */
export function targetNamed(text: string): string {
  try {
    return text.includes("/") ? prepareNode(text) : prepareJid(text);
  } catch {
    return text;
  }
}

/** Returns the account that a list means by a JID: prepared, and without its resource. Throws `invalid-options`. */
export function accountOf(text: string): string {
  try {
    return prepareBareJid(text);
  } catch (cause) {
    throw new StanzapackError("invalid-options", (cause as Error).message, { cause });
  }
}

/** Returns whether two texts are one address. `prepared` is prepared already. */
export function isSameJid(text: string, prepared: string): boolean {
  return text === prepared || preparedOrSame(text) === prepared;
}

import { StanzapackError } from "@stanzapack/wire";
import {
  jid,
  prepareBareJid,
  prepareDomainName,
  prepareNode,
  prepareResource,
  toAsciiDomain,
} from "@stanzapack/xmpp";

/** Where addresses enter the public API: prepared, so that another spelling of one means the same. */

/** `what` is named in the error: `connect: \`jid\``. Throws `invalid-options`. */
function read<T>(text: unknown, what: string, prepare: (text: string) => T): T {
  try {
    if (typeof text !== "string") throw new TypeError("it is no string");
    return prepare(text);
  } catch (cause) {
    throw new StanzapackError("invalid-options", `${what}: ${(cause as Error).message}`, { cause });
  }
}

/** The bare JID of who logs in. */
export function readAccount(text: unknown, what: string): string {
  return read(text, what, (given) => {
    const account = jid(given).bare();
    if (account.local === "") throw new TypeError(`\`${account.domain}\` has no \`user@\` part`);
    toAsciiDomain(account.domain);
    return account.toString();
  });
}

/** A bare JID, also of a full one. */
export function readBareJid(text: unknown, what: string): string {
  return read(text, what, prepareBareJid);
}

export function readDomain(text: unknown, what: string): string {
  return read(text, what, prepareDomainName);
}

export function readResource(text: unknown, what: string): string {
  return read(text, what, prepareResource);
}

/** A node or a pattern, its owner prepared; its name is not looked at. Throws `bad-name`. */
export function readNode(text: unknown): string {
  try {
    return read(text, "that is not a node id", prepareNode);
  } catch (error) {
    const { text: message, cause } = error as StanzapackError;
    throw new StanzapackError("bad-name", message, { cause });
  }
}

/** Options whose members are prepared bare JIDs. */
export function withPreparedMembers<T extends { readonly members?: readonly string[] | undefined }>(
  options: T,
  what: string,
): T {
  const { members } = options;
  if (members === undefined) return options;
  if (!Array.isArray(members)) throw new StanzapackError("invalid-options", `${what}: they are no list`);
  return { ...options, members: members.map((member) => readBareJid(member, what)) };
}

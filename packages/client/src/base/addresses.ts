import { StanzapackError } from "@stanzapack/wire";
import {
  jid,
  prepareBareJid,
  prepareDomainName,
  prepareNode,
  prepareResource,
  toAsciiDomain,
} from "@stanzapack/xmpp";

/** These functions prepare addresses of the public API, so that all spellings of an address mean the same. */

/** `what` names the address in the error, such as `connect: \`jid\``. Throws `invalid-options`. */
function read<T>(text: unknown, what: string, prepare: (text: string) => T): T {
  try {
    if (typeof text !== "string") throw new TypeError("it is not a string");
    return prepare(text);
  } catch (cause) {
    throw new StanzapackError("invalid-options", `${what}: ${(cause as Error).message}`, { cause });
  }
}

/** Returns the bare JID to log in as. Throws `invalid-options`, also without a `user@` part. */
export function readAccount(text: unknown, what: string): string {
  return read(text, what, (given) => {
    const account = jid(given).bare();
    if (account.local === "") throw new TypeError(`\`${account.domain}\` has no \`user@\` part`);
    toAsciiDomain(account.domain);
    return account.toString();
  });
}

/** Takes a bare or a full JID, and returns the bare JID. Throws `invalid-options`. */
export function readBareJid(text: unknown, what: string): string {
  return read(text, what, prepareBareJid);
}

export function readDomain(text: unknown, what: string): string {
  return read(text, what, prepareDomainName);
}

export function readResource(text: unknown, what: string): string {
  return read(text, what, prepareResource);
}

/** Takes a node or a pattern, and returns it with a prepared owner. Does not check the name. Throws `bad-name`. */
export function readNode(text: unknown): string {
  try {
    return read(text, "that is not a node id", prepareNode);
  } catch (error) {
    const { text: message, cause } = error as StanzapackError;
    throw new StanzapackError("bad-name", message, { cause });
  }
}

/** Returns the options with `members` as prepared bare JIDs. Throws `invalid-options`. */
export function withPreparedMembers<T extends { readonly members?: readonly string[] | undefined }>(
  options: T,
  what: string,
): T {
  const { members } = options;
  if (members === undefined) return options;
  if (!Array.isArray(members)) throw new StanzapackError("invalid-options", `${what}: they are not a list`);
  return { ...options, members: members.map((member) => readBareJid(member, what)) };
}

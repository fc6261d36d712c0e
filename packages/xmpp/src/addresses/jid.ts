import { stringprep, type StringprepProfile } from "./stringprep.js";

export { bareJid } from "./bare-jid.js";

/** Longest part of an address, in bytes of UTF-8 (RFC 6122 §2.1). */
const MAX_PART_BYTES = 1_023;

/** XEP-0106 §3.2: a local part with one of these characters is escaped. */
const UNSAFE = /[ "&':<>]/;
/** The same characters, and a backslash that would read as the beginning of an escape. The escaping replaces them. */
const ESCAPED = /[ "&':<>]|\\(?=20|22|26|27|2f|3a|3c|3e|40|5c)/g;

/** An ASCII address that is prepared already, as most addresses are. */
const PREPARED = /^(?:[!#-%(-.0-9;=?[-~]+@)?(?:[-_a-z0-9]+\.)*[-_a-z0-9]+(?:\/[ -~]+)?$/;

/** A prepared address. `local` or `resource` is empty when the address has none. */
export class JID {
  constructor(
    readonly local: string,
    readonly domain: string,
    readonly resource: string,
  ) {}

  bare(): JID {
    return new JID(this.local, this.domain, "");
  }

  toString(): string {
    const { local, domain, resource } = this;
    return `${local === "" ? "" : `${local}@`}${domain}${resource === "" ? "" : `/${resource}`}`;
  }
}

/**
 * Reads an address as people and peers write it, and prepares it as Prosody and ejabberd do. So two spellings of one
 * address give the same result. Nodeprep prepares the local part, Nameprep the domain, Resourceprep the resource
 * (RFC 6122 §2). A local part with a character that no local part may have is escaped (XEP-0106). The caller escapes
 * `@` and `/`. A prepared address does not change. Throws `TypeError` with the fault; the message has no invisible
 * characters.
 */
export function jid(text: string): JID {
  const slash = text.indexOf("/");
  const bare = slash < 0 ? text : text.slice(0, slash);
  const at = bare.indexOf("@");
  const fail = (fault: string): never => {
    throw new TypeError(`\`${printable(text)}\` is not a JID: ${fault}`);
  };
  const prepare = (name: string, part: string, profile: StringprepProfile): string => {
    const check = (value: string): string => {
      if (value === "") fail(`its ${name} is empty`);
      if (byteLength(value) > MAX_PART_BYTES) fail(`its ${name} is longer than ${MAX_PART_BYTES} bytes`);
      return value;
    };
    return check(stringprep(check(part), profile, (fault) => fail(`its ${name} ${fault}`)));
  };
  const local = at < 0 ? "" : prepare("part before `@`", escapeLocal(bare.slice(0, at), fail), "nodeprep");
  const domain = prepareDomain(prepare("domain", bare.slice(at + 1), "nameprep"), fail);
  const resource = slash < 0 ? "" : prepare("resource", text.slice(slash + 1), "resourceprep");
  return new JID(local, domain, resource);
}

/** As `jid`, but returns text. Quick when the address is prepared already. */
export function prepareJid(text: string): string {
  return text.length <= MAX_PART_BYTES && PREPARED.test(text) ? text : jid(text).toString();
}

/** As `prepareJid`, but returns a text that is no JID unchanged. */
export function preparedOrSame(text: string): string {
  try {
    return prepareJid(text);
  } catch {
    return text;
  }
}

/** As `prepareJid`, without the resource if there is one. */
export function prepareBareJid(text: string): string {
  return jid(text).bare().toString();
}

/** As `prepareJid`, but throws `TypeError` when the address has more than a domain. */
export function prepareDomainName(text: string): string {
  const { local, domain, resource } = jid(text);
  if (local !== "" || resource !== "") throw new TypeError(`\`${printable(text)}\` is not a domain`);
  return domain;
}

/** As `prepareJid`, for a resource alone. */
export function prepareResource(text: string): string {
  return jid(`localhost/${text}`).resource;
}

/**
 * Prepares the owner in a node id, which is a bare JID, `/` and a name without `/`. The name is not checked, so it may
 * be a pattern. Throws `TypeError`.
 */
export function prepareNode(text: string): string {
  const slash = text.lastIndexOf("/");
  const owner = prepareJid(text.slice(0, Math.max(slash, 0)));
  if (owner.includes("/")) throw new TypeError(`\`${printable(text)}\` has more than one \`/\``);
  return owner + text.slice(slash);
}

/**
 * A host name of prepared labels. Its ASCII characters are those of host names, and `_`, which private networks use.
 */
const HOST_NAME = /^(?:[-_0-9a-z\x80-\u{10FFFF}]+\.)*[-_0-9a-z\x80-\u{10FFFF}]+$/u;
/** An IPv6 address, in brackets (RFC 6122 §2.2) or as RFC 3920 wrote it. */
const IPV6 = /^(\[)?([\d.a-f]*:[\d.:a-f]*)(\])?$/;

function prepareDomain(name: string, fail: (fault: string) => never): string {
  // RFC 3490 §3.1: the ideographic full stop separates labels too. RFC 7622 §3.2: a dot at the end is not part of the
  // domain.
  const domain = name.replace(/\u3002/g, ".").replace(/\.$/, "");
  const [, opens, address = "", closes] = IPV6.exec(domain) ?? [];
  const isAddress = (opens === undefined) === (closes === undefined) && URL.canParse(`http://[${address}]`);
  if (!isAddress && !HOST_NAME.test(domain)) fail("its domain is not a host name");
  return domain;
}

function escapeLocal(local: string, fail: (fault: string) => never): string {
  if (!UNSAFE.test(local)) return local;
  // XEP-0106 §4.1
  if (/^ | $/.test(local)) fail("its part before `@` begins or ends with a space");
  return local.replace(ESCAPED, (char) => `\\${char.charCodeAt(0).toString(16)}`);
}

const encoder = new TextEncoder();

function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/**
 * The first 100 characters, with escapes such as `\u{2}` for invisible ones. For texts of errors, which XML carries
 * too.
 */
export function printable(text: string): string {
  return text
    .slice(0, 100)
    .replace(/[\p{C}\p{Z}]/gu, (char) =>
      char === " " ? char : `\\u{${(char.codePointAt(0) as number).toString(16)}}`,
    );
}

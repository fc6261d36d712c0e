import { StanzapackError } from "@stanzapack/wire";
import { appendAll, NS, StanzaError, xml, type Element } from "@stanzapack/xmpp";
import type { ApprovedAccounts } from "../catalog/approved-accounts.js";
import type { Service } from "../catalog/service.js";
import { accountOf } from "../forms/addresses.js";
import { MAX_ANSWER_BYTES, unsupported } from "../forms/errors.js";
import { attr } from "./pubsub-request.js";
import { resultSetOf, takePage } from "../forms/result-sets.js";
import { badRequest } from "../forms/submissions.js";

/** Affiliations of XEP-0060 §4.1 that a node of ours does not have, each with the name of its feature. */
const MISSING: ReadonlyMap<string, string> = new Map([
  ["outcast", "outcast-affiliation"],
  ["publisher", "publisher-affiliation"],
  ["publish-only", "publish-only-affiliation"],
]);

const NOBODY: ReadonlySet<string> = new Set();

/** The changes of a node's members that a request makes. */
export interface AffiliationChange {
  readonly members: ReadonlySet<string>;
  /** JIDs that have no affiliation any more. */
  readonly revoked: readonly string[];
  /** The error for entries that could not be changed, though the others were (§8.9.2.4). Undefined: there are none. */
  readonly fault: StanzaError | undefined;
}

/**
 * Reads a request that changes affiliations (XEP-0060 §8.9.2). The request adds and removes members one at a time. The
 * owner stays the only owner, because the node's name says who that is. When it throws, everything stays as it was.
 */
export function readAffiliations(service: Service, element: Element, maxMembers: number): AffiliationChange {
  const asked = new Map<string, string | undefined>();
  for (const entry of element.getChildren("affiliation")) {
    const jid = accountOf(attr(entry, "jid") ?? "");
    // §8.9.2.4: nobody could tell which of two entries counts.
    if (asked.has(jid)) throw badRequest(`the request has \`${jid.slice(0, 200)}\` twice`);
    asked.set(jid, attr(entry, "affiliation"));
  }
  const members = new Set(service.config.members);
  const revoked: string[] = [];
  const impossible: string[] = [];
  for (const [jid, affiliation] of asked) {
    // §8.9.2.1: without an affiliation nothing changes.
    if (affiliation === undefined) continue;
    // An approved JID becomes a member all the same, for other access models. `none` ends an approval under any access
    // model.
    if (affiliation === "owner" && jid === service.id.owner) continue;
    const feature = MISSING.get(affiliation);
    if (feature !== undefined)
      throw unchanged(
        service,
        asked.keys(),
        unsupported(feature, `this component has no \`${affiliation}\``),
      );
    if (!["owner", "member", "none"].includes(affiliation))
      throw badRequest(`\`${affiliation.slice(0, 40)}\` is not an affiliation`);
    // §8.9.2.4: a node must have an owner, and nobody else can own this one.
    if (affiliation === "owner" || jid === service.id.owner) impossible.push(jid);
    else if (affiliation === "member") members.add(jid);
    else {
      members.delete(jid);
      revoked.push(jid);
    }
  }
  if (members.size > maxMembers)
    throw new StanzapackError(
      "invalid-options",
      `${members.size} members, at most ${maxMembers} are allowed`,
    );
  const text = `\`${service.node}\` has one owner, ${service.id.owner}, which cannot change`;
  const fault = new StanzaError("not-acceptable", "modify", text);
  return {
    members,
    revoked,
    fault: impossible.length === 0 ? undefined : unchanged(service, impossible, fault),
  };
}

/** Returns the error with the entries that stay as they were. */
function unchanged(service: Service, jids: Iterable<string>, error: StanzaError): StanzaError {
  const { condition, type, text, application } = error;
  const entries = formatAffiliations(
    service,
    [...jids].map((jid) => [jid, affiliationOf(service, jid)]),
  );
  const fits = Buffer.byteLength(entries.toString()) <= MAX_ANSWER_BYTES;
  return new StanzaError(condition, type, text, application, fits ? entries : undefined);
}

function affiliationOf(service: Service, jid: string): string {
  if (jid === service.id.owner) return "owner";
  return service.config.members.has(jid) || approvedOf(service).has(jid) ? "member" : "none";
}

/**
 * Returns the approved JIDs that count. Approvals count under `authorize` only. Under other access models they are
 * kept, for `authorize` later.
 */
function approvedOf({
  record: { config, approved },
}: Service): Pick<ApprovedAccounts, "has" | typeof Symbol.iterator> {
  return config.access === "authorize" ? approved : NOBODY;
}

/** Returns everybody who has an affiliation (XEP-0060 §8.9.1), page by page (XEP-0059). */
export function listAffiliations(service: Service, request: Element): Element {
  const jids = [...new Set([service.id.owner, ...service.config.members, ...approvedOf(service)])].sort();
  const { elements, set } = takePage(
    resultSetOf(jids, (jid) => jid),
    request,
    (jid) => xml("affiliation", { jid, affiliation: affiliationOf(service, jid) }),
  );
  return xml("pubsub", NS.PUBSUB_OWNER, xml("affiliations", { node: service.node }, ...elements), ...set);
}

function formatAffiliations({ node }: Service, list: readonly (readonly [string, string])[]): Element {
  const entries = list.map(([jid, affiliation]) => xml("affiliation", { jid, affiliation }));
  return xml("pubsub", NS.PUBSUB_OWNER, appendAll(xml("affiliations", { node }), entries));
}

import { StanzapackError } from "@stanzapack/wire";
import { bareJid, childElements, NS, preparedOrSame, StanzaError, type Element } from "@stanzapack/xmpp";
import { targetNamed } from "../forms/addresses.js";
import { unsupported } from "../forms/errors.js";
import { badRequest } from "../forms/submissions.js";

export interface Request {
  readonly from: string;
  readonly child: Element;
}

type Kind = "get" | "set" | "owner get" | "owner set";

/** The actions that an iq may ask for (XEP-0060 §17.1, §17.4), and the element that may follow each. */
const ACTIONS: Readonly<Record<Kind, Readonly<Record<string, string | undefined>>>> = {
  set: { create: "configure", subscribe: "options", unsubscribe: undefined, options: undefined },
  get: { options: undefined, subscriptions: undefined, default: undefined },
  "owner set": { configure: undefined, delete: undefined, affiliations: undefined },
  "owner get": { configure: undefined, affiliations: undefined, default: undefined },
};

/**
 * Actions of XEP-0060 that this component does not have: the feature's name in §16.3, and the element that may follow.
 */
const MISSING: Readonly<Record<Kind, Readonly<Record<string, readonly [feature: string, next?: string]>>>> = {
  set: { publish: ["publish", "publish-options"], retract: ["delete-items"] },
  get: { items: ["retrieve-items"], affiliations: ["retrieve-affiliations"] },
  "owner set": { purge: ["purge-nodes"], subscriptions: ["manage-subscriptions"] },
  "owner get": { subscriptions: ["manage-subscriptions"] },
};

export interface Action {
  readonly name: string;
  readonly element: Element;
  /** `configure` of `create`, or `options` of `subscribe`. */
  readonly next: Element | undefined;
}

/**
 * Returns the one action that a request asks for. Throws `bad-request`, or `feature-not-implemented` with the feature's
 * name.
 */
export function readAction(kind: Kind, pubsub: Element): Action {
  const ns = kind.startsWith("owner") ? NS.PUBSUB_OWNER : NS.PUBSUB;
  // RFC 6120 §8.4: elements of other namespaces, such as XEP-0059, are ignored where they are not understood.
  const [element, next, more] = childElements(pubsub).filter((child) => child.getNS() === ns);
  if (element === undefined) throw badRequest("the request asks for nothing");
  const name = element.getName();
  // An inherited property is no action.
  const missing = Object.hasOwn(MISSING[kind], name) ? MISSING[kind][name] : undefined;
  const follower = missing === undefined ? ACTIONS[kind][name] : missing[1];
  if (missing === undefined && !Object.hasOwn(ACTIONS[kind], name))
    throw badRequest(
      `an iq of type ${kind.replace("owner ", "")} cannot ask for \`${name.slice(0, 40)}\` here`,
    );
  // XEP-0060 §6.1.1, §6.3.7, §8.1.3: exactly one action, followed by the element that belongs to it.
  if (next !== undefined && (next.getName() !== follower || more !== undefined))
    throw badRequest(`\`${(more ?? next).getName().slice(0, 40)}\` cannot follow \`${name}\``);
  if (missing !== undefined)
    throw unsupported(missing[0], `there is no \`${name}\` here: values travel over the link, not as items`);
  if (next !== undefined)
    for (const attribute of ["node", "jid"])
      if (attr(next, attribute) !== undefined)
        // XEP-0060 §6.3.7, §8.1.3: the element before it has the node and the JID.
        throw badRequest(`\`${next.getName()}\` behind \`${name}\` has no \`${attribute}\``);
  return { name, element, next };
}

export function attr(element: Element, name: string): string | undefined {
  return element.attrs[name] as string | undefined;
}

/**
 * Returns the node, with its owner prepared. Does not check that there is such a node. Throws `nodeid-required`
 * (XEP-0060 §8.2.3.3).
 */
export function requireNode(element: Element): string {
  const node = attr(element, "node");
  if (node === undefined || node === "")
    throw badRequest(`\`${element.getName()}\` names no node`, "nodeid-required");
  return targetNamed(node);
}

/**
 * Returns the JID whose subscription is meant. It must be of the asker's account (XEP-0060 §6.2.3.3, §6.3.4.1,
 * §6.3.4.3). Throws `jid-required` and `forbidden`.
 */
export function requireOwnJid(element: Element, from: string): string {
  const jid = requireJid(element);
  if (bareJid(jid) !== bareJid(from))
    throw new StanzapackError("forbidden", `the subscription of \`${jid.slice(0, 200)}\` is not ${from}'s`);
  return jid;
}

/** Returns the JID of an element, prepared if it is an address. Throws `jid-required`. */
export function requireJid(element: Element): string {
  const jid = attr(element, "jid");
  if (jid === undefined || jid === "")
    throw badRequest(`\`${element.getName()}\` names no JID of a subscriber`, "jid-required");
  return preparedOrSame(jid);
}

/** Returns the error for a node that cannot be created. XEP-0060 §8.1.1: there are no instant nodes. */
export function nodeIdRequired(text: string): StanzaError {
  return new StanzaError("not-acceptable", "modify", text, {
    name: "nodeid-required",
    xmlns: NS.PUBSUB_ERRORS,
  });
}

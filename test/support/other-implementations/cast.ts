import { childElements, NS, xml, type Element, type StanzaError } from "@stanzapack/xmpp";
import { afterAll, beforeAll } from "vitest";
import { RawPeer } from "../raw-peer.js";
import { startStack, type SERVERS, type Stack } from "../stack.js";
import { form } from "./xep-0060-examples.js";

export const OPEN = "alice@localhost/open";
export const CLOSED = "alice@localhost/closed";
export const NODE_CONFIG = NS.PUBSUB_NODE_CONFIG;
export const OPTIONS = NS.PUBSUB_SUBSCRIBE_OPTIONS;

export const pubsub = (...children: Element[]): Element => xml("pubsub", NS.PUBSUB, ...children);
export const owned = (...children: Element[]): Element => xml("pubsub", NS.PUBSUB_OWNER, ...children);
export const configure = (...children: Element[]): Element =>
  owned(xml("configure", { node: OPEN }, ...children));
export const affiliations = (...list: (readonly [jid: string, affiliation?: string])[]): Element =>
  owned(
    xml(
      "affiliations",
      { node: CLOSED },
      ...list.map(([jid, affiliation]) => xml("affiliation", { jid, affiliation })),
    ),
  );

/** Sessions that write to the component as any client may: alice publishes, bob subscribes, carol is on no list. */
export interface Cast {
  stack: Stack;
  alice: RawPeer;
  bob: RawPeer;
  /** Another session of bob's, without a link. */
  bobToo: RawPeer;
  carol: RawPeer;
  /** Stanzas to bob and carol that are neither iqs nor data. */
  readonly came: Record<"bob" | "carol", Element[]>;
}

/** The sessions exist from `beforeAll` to `afterAll`. */
export function useCast(server: (typeof SERVERS)[number]): Cast {
  const cast = { came: { bob: [], carol: [] } } as unknown as Cast;
  const session = async (user: "alice" | "bob" | "carol", resource: string): Promise<RawPeer> => {
    const connection = await cast.stack.raw(user, { resource });
    if (user !== "alice" && resource === "one")
      connection.onStanza((stanza) => {
        if (!stanza.is("iq") && stanza.getChild("data", NS.IBB) === undefined) cast.came[user].push(stanza);
        return false;
      });
    return new RawPeer(connection, cast.stack.domain);
  };
  beforeAll(async () => {
    cast.stack = await startStack(server, ["alice", "bob", "carol"]);
    [cast.alice, cast.bob, cast.bobToo, cast.carol] = await Promise.all([
      session("alice", "one"),
      session("bob", "one"),
      session("bob", "two"),
      session("carol", "one"),
    ]);
    for (const peer of [cast.alice, cast.bob, cast.carol]) await peer.link();
    // RFC 6121 §3.2.2: an interested resource receives its subscriptions.
    await cast.carol.ask("get", xml("query", NS.ROSTER), "");
    cast.carol.sendStanza(xml("presence"));
    await cast.alice.ask("set", pubsub(xml("create", { node: OPEN })));
    const whitelist = form("submit", NODE_CONFIG, { "pubsub#access_model": "whitelist" });
    await cast.alice.ask("set", pubsub(xml("create", { node: CLOSED }), xml("configure", {}, whitelist)));
  });
  afterAll(() => cast.stack.stop());
  return cast;
}

/** The error that answers a request. */
export function refusal(
  peer: RawPeer,
  type: "get" | "set",
  child: Element,
  to?: string,
): Promise<StanzaError> {
  return peer.ask(type, child, to).then(
    (answer) => Promise.reject(new Error(`answered ${answer.toString()}`)),
    (error: unknown) => error as StanzaError,
  );
}

export const optionsOf = ({ bob }: Cast, ...children: Element[]): Element =>
  pubsub(xml("options", { node: OPEN, jid: bob.jid }, ...children));

export const subscribe = ({ bob }: Cast, ...behind: Element[]): Promise<Element> =>
  bob.ask("set", pubsub(xml("subscribe", { node: OPEN, jid: bob.jid }), ...behind));

/** The first element in the answer's `<pubsub/>`. */
export function firstIn(answer: Element): Element {
  return childElements(childElements(answer)[0] as Element)[0] as Element;
}

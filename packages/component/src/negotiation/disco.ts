import {
  appendAll,
  bareJid,
  formatForm,
  NS,
  StanzaError,
  xml,
  type Connection,
  type Element,
} from "@stanzapack/xmpp";
import type { Broker } from "../broker.js";
import type { Service } from "../service.js";
import type { ComponentStats } from "../stats.js";
import { MAX_ANSWER_BYTES, toStanzaError } from "./errors.js";
import { FIELD, MAX_BARE_JID_CHARS } from "./options.js";

/** Most items in one answer, or as many as fit it; asking with `node` set to an owner's bare JID narrows it. */
const MAX_ITEMS = 1_000;

const FEATURES = [
  NS.DISCO_INFO,
  NS.DISCO_ITEMS,
  NS.IBB,
  NS.PING,
  NS.PUBSUB,
  ...[
    "access-authorize",
    "access-open",
    "access-whitelist",
    "config-node",
    "create-and-configure",
    "create-nodes",
    "delete-nodes",
    "member-affiliation",
    "modify-affiliations",
    "retrieve-subscriptions",
    "subscribe",
    "subscription-notifications",
    "subscription-options",
  ].map((feature) => `${NS.PUBSUB}#${feature}`),
  "urn:stanzapack:0",
];

/** XEP-0030: the component, its services, and what each of them is (XEP-0060 §5.4 metadata form). */
export function registerDisco(connection: Connection, broker: Broker, stats: ComponentStats): () => void {
  const guarded =
    (act: (from: string, node: string | undefined) => Element) =>
    (request: { from: string; child: Element }) => {
      try {
        broker.budgets.request(request.from);
        return act(request.from, request.child.attrs["node"] as string | undefined);
      } catch (error) {
        stats.refusals++;
        throw toStanzaError(error);
      }
    };
  const undo = [
    connection.onIq(
      "get",
      NS.DISCO_INFO,
      "query",
      guarded((from, node) =>
        node === undefined ? componentInfo() : serviceInfo(visible(broker, node, from)),
      ),
    ),
    connection.onIq(
      "get",
      NS.DISCO_ITEMS,
      "query",
      guarded((from, node) => items(broker, connection.jid, bareJid(from), node)),
    ),
  ];
  return () => {
    for (const off of undo) off();
  };
}

function visible(broker: Broker, node: string, from: string): Service {
  const service = broker.find(node);
  // A service on a whitelist is not shown to others. Who knows its name and asks to subscribe is told (XEP-0060 §6.1.3.4).
  if (!service.mayFind(bareJid(from)))
    throw new StanzaError("item-not-found", "cancel", `nobody offers \`${node.slice(0, 200)}\``);
  return service;
}

function componentInfo(): Element {
  return xml(
    "query",
    NS.DISCO_INFO,
    xml("identity", { category: "pubsub", type: "service", name: "Stanzapack" }),
    ...FEATURES.map((name) => xml("feature", { var: name })),
  );
}

function serviceInfo(service: Service): Element {
  return xml(
    "query",
    { xmlns: NS.DISCO_INFO, node: service.node },
    xml("identity", {
      category: "pubsub",
      type: "leaf",
      name: service.config.title === "" ? undefined : service.config.title,
    }),
    xml("feature", { var: NS.PUBSUB }),
    formatForm("result", NS.PUBSUB_META_DATA, {
      [FIELD.KIND]: service.config.kind,
      [FIELD.ACCESS_MODEL]: service.config.access,
      [FIELD.ONLINE]: service.online ? "1" : "0",
      ...(service.demand.windowMs === null ? {} : { [FIELD.WINDOW]: String(service.demand.windowMs) }),
    }),
  );
}

function items(broker: Broker, domain: string, asker: string, owner: string | undefined): Element {
  // The answer repeats it.
  if (owner !== undefined && owner.length > MAX_BARE_JID_CHARS)
    throw new StanzaError("item-not-found", "cancel", "no JID is so long");
  const list: Element[] = [];
  // Its own head has room in the rest of what servers take.
  let bytes = 0;
  for (const service of broker.services.values()) {
    if ((owner !== undefined && service.id.owner !== owner) || !service.mayFind(asker)) continue;
    const item = xml("item", {
      jid: domain,
      node: service.node,
      name: service.config.title === "" ? undefined : service.config.title,
    });
    bytes += Buffer.byteLength(item.toString());
    if (bytes > MAX_ANSWER_BYTES || list.push(item) === MAX_ITEMS) break;
  }
  return appendAll(xml("query", { xmlns: NS.DISCO_ITEMS, node: owner }), list);
}

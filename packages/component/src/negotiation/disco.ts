import { appendAll, bareJid, NS, StanzaError, xml, type Connection, type Element } from "@stanzapack/xmpp";
import type { Broker } from "../broker/broker.js";
import type { Service } from "../catalog/service.js";
import { targetNamed } from "../forms/addresses.js";
import { toStanzaError } from "../forms/errors.js";
import { FIELD, formatOurForm } from "../forms/our-fields.js";
import { takePage } from "../forms/result-sets.js";
import type { Commands } from "./commands.js";

/**
 * The features that work, and no others. `test/other-implementations.test.ts` asks for each of them. XEP-0060 §16.3:
 * `access-open` names the default access model, and there is one default.
 */
export const FEATURES: readonly string[] = [
  NS.COMMANDS,
  NS.DISCO_INFO,
  NS.DISCO_ITEMS,
  NS.DATA_FORMS,
  NS.IBB,
  NS.LAST_ACTIVITY,
  NS.PING,
  NS.RSM,
  NS.TIME,
  NS.VCARD,
  NS.VERSION,
  NS.PUBSUB,
  ...[
    "access-open",
    "config-node",
    "create-and-configure",
    "create-nodes",
    "delete-nodes",
    "member-affiliation",
    "meta-data",
    "modify-affiliations",
    "retrieve-default",
    "retrieve-default-sub",
    "retrieve-subscriptions",
    "subscribe",
    "subscription-notifications",
    "subscription-options",
  ].map((feature) => `${NS.PUBSUB}#${feature}`),
  NS.STANZAPACK,
];

/**
 * Answers service discovery (XEP-0030): the component, its services, and what each service is (XEP-0060 §5.4, metadata
 * form). Returns the undo.
 */
export function registerDisco(connection: Connection, broker: Broker, commands: Commands): () => void {
  const guarded =
    (act: (from: string, node: string | undefined, query: Element) => Element) =>
    (request: { from: string; child: Element }) => {
      try {
        broker.budgets.request(request.from);
        const node = request.child.attrs["node"] as string | undefined;
        if (node === undefined || node === "") return act(request.from, undefined, request.child);
        const answer = act(request.from, targetNamed(node), request.child);
        // XEP-0030 §3.1: the answer names the node as the request does.
        answer.attrs["node"] = node;
        return answer;
      } catch (error) {
        broker.refused(request.from, "service discovery", error);
        throw toStanzaError(error);
      }
    };
  const undo = [
    connection.onIq(
      "get",
      NS.DISCO_INFO,
      "query",
      guarded((from, node) => info(broker, commands, from, node)),
    ),
    connection.onIq(
      "get",
      NS.DISCO_ITEMS,
      "query",
      guarded((from, node, query) =>
        node === NS.COMMANDS
          ? commandItems(commands, connection.jid, bareJid(from))
          : items(broker, connection.jid, bareJid(from), node, query),
      ),
    ),
  ];
  return () => {
    for (const off of undo) off();
  };
}

function info(broker: Broker, commands: Commands, from: string, node: string | undefined): Element {
  if (node === undefined) return componentInfo();
  if (node === NS.COMMANDS) return formatInfo(node, { category: "automation", type: "command-list" });
  // XEP-0050 §2.3.
  const command = commands.listFor(bareJid(from)).find((each) => each.node === node);
  if (command !== undefined)
    return formatInfo(node, { category: "automation", type: "command-node", name: command.name }, [
      NS.COMMANDS,
      NS.DATA_FORMS,
    ]);
  const service = broker.catalog.services.get(node);
  if (service?.record.mayFind(bareJid(from)) === true) return serviceInfo(service);
  requireOwner(broker, node, bareJid(from));
  return formatInfo(node, { category: "hierarchy", type: "branch", name: node });
}

/**
 * Throws `item-not-found` if the owner offers nothing that the asker may find. Then there is no such node (XEP-0030
 * §3.2).
 */
function requireOwner(broker: Broker, owner: string, asker: string): void {
  for (const service of broker.catalog.ownedBy(owner)) if (service.record.mayFind(asker)) return;
  // A service with a whitelist is not shown to others. A client that knows its name, and asks to subscribe, is told the
  // reason (XEP-0060 §6.1.3.4).
  throw new StanzaError("item-not-found", "cancel", `nobody offers \`${owner.slice(0, 200)}\``);
}

function formatInfo(
  node: string,
  identity: Readonly<Record<string, string>>,
  features: readonly string[] = [NS.DISCO_INFO, NS.DISCO_ITEMS],
): Element {
  return xml(
    "query",
    { xmlns: NS.DISCO_INFO, node },
    xml("identity", identity),
    ...features.map((name) => xml("feature", { var: name })),
  );
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
  const { takenWindowMs } = service;
  return xml(
    "query",
    { xmlns: NS.DISCO_INFO, node: service.node },
    xml("identity", {
      category: "pubsub",
      type: "leaf",
      name: service.config.title === "" ? undefined : service.config.title,
    }),
    xml("feature", { var: NS.PUBSUB }),
    // XEP-0060 §5.4.
    formatOurForm("result", NS.PUBSUB_META_DATA, {
      [FIELD.KIND]: service.config.kind,
      [FIELD.TITLE]: service.config.title,
      [FIELD.OWNER]: service.id.owner,
      [FIELD.ACCESS_MODEL]: service.config.access,
      [FIELD.COMPRESSION]: service.config.compression ?? "shared",
      [FIELD.OPAQUE]: service.config.opaque === true ? "1" : "0",
      [FIELD.ONLINE]: service.online ? "1" : "0",
      ...(takenWindowMs === null ? {} : { [FIELD.WINDOW]: String(takenWindowMs) }),
    }),
  );
}

/** Returns the commands that the asker may run (XEP-0050 §2.2). */
function commandItems(commands: Commands, domain: string, asker: string): Element {
  const items = commands.listFor(asker).map((command) => xml("item", { jid: domain, ...command }));
  return appendAll(xml("query", { xmlns: NS.DISCO_ITEMS, node: NS.COMMANDS }), items);
}

/**
 * Returns the items of `node`. For an owner, they are the owner's services. A service has no items. Undefined: all
 * services. A long list comes page by page (XEP-0059).
 */
function items(
  broker: Broker,
  domain: string,
  asker: string,
  node: string | undefined,
  query: Element,
): Element {
  const isLeaf = node !== undefined && broker.catalog.services.get(node)?.record.mayFind(asker);
  // XEP-0060 §5.5: the component keeps no items of a node.
  if (isLeaf === true) return xml("query", { xmlns: NS.DISCO_ITEMS, node });
  if (node !== undefined) requireOwner(broker, node, asker);
  const listed = broker.catalog.list.visibleTo(
    asker,
    node === undefined ? undefined : broker.catalog.ownedBy(node),
  );
  const { elements, set } = takePage(listed, query, (service) =>
    xml("item", {
      jid: domain,
      node: service.node,
      name: service.config.title === "" ? undefined : service.config.title,
    }),
  );
  return appendAll(xml("query", { xmlns: NS.DISCO_ITEMS, node }), [...elements, ...set]);
}

import { NS, xml, type Element } from "@stanzapack/xmpp";
import { expect, it } from "vitest";
import type { RawPeer } from "../raw-peer.js";
import {
  affiliations,
  CLOSED,
  configure,
  NODE_CONFIG,
  OPEN,
  optionsOf,
  owned,
  pubsub,
  refusal,
  type Cast,
} from "./cast.js";
import { form } from "./xep-0060-examples.js";

/** Service discovery names every feature that works. */
export function featuresSuite(cast: Cast): void {
  it("finds every feature that is advertised, and none that is not (§16.3)", async () => {
    const info = await cast.bob.ask("get", xml("query", NS.DISCO_INFO));
    const all = info.getChild("query")?.getChildren("feature") ?? [];
    const prefix = `${NS.PUBSUB}#`;
    const features = all.map(({ attrs }) => attrs["var"] as string);
    const works: Record<string, () => readonly [RawPeer, "get" | "set", Element]> = {
      // §16.3: "the default access model is open".
      "access-open": () => [cast.alice, "get", owned(xml("default"))],
      "create-nodes": () => [cast.alice, "set", pubsub(xml("create", { node: OPEN }))],
      "create-and-configure": () => [
        cast.alice,
        "set",
        pubsub(xml("create", { node: OPEN }), xml("configure", {}, form("submit", NODE_CONFIG))),
      ],
      "config-node": () => [
        cast.alice,
        "set",
        configure(form("submit", NODE_CONFIG, { "pubsub#title": "t" })),
      ],
      "meta-data": () => [cast.bob, "get", xml("query", { xmlns: NS.DISCO_INFO, node: OPEN })],
      "modify-affiliations": () => [cast.alice, "set", affiliations(["bob@localhost", "none"])],
      "member-affiliation": () => [cast.alice, "set", affiliations(["bob@localhost", "member"])],
      "retrieve-default": () => [cast.bob, "get", owned(xml("default"))],
      "retrieve-default-sub": () => [cast.bob, "get", pubsub(xml("default"))],
      subscribe: () => [cast.bob, "set", pubsub(xml("subscribe", { node: OPEN, jid: cast.bob.jid }))],
      "subscription-options": () => [cast.bob, "get", optionsOf(cast)],
      "retrieve-subscriptions": () => [cast.bob, "get", pubsub(xml("subscriptions"))],
      "subscription-notifications": () => [cast.alice, "set", affiliations(["bob@localhost", "none"])],
      "delete-nodes": () => [cast.alice, "set", owned(xml("delete", { node: OPEN }))],
    };
    const advertised = features.flatMap((name) =>
      name.startsWith(prefix) ? [name.slice(prefix.length)] : [],
    );
    expect(Object.keys(works).sort()).toEqual(advertised.sort());
    for (const [name, make] of Object.entries(works)) {
      const [peer, type, child] = make();
      expect([name, await peer.outcome(type, child)]).toEqual([name, "result"]);
    }
    await cast.alice.ask("set", pubsub(xml("create", { node: OPEN })));
    const others: Record<string, readonly [name: string, ns: string]> = {
      [NS.DISCO_INFO]: ["query", NS.DISCO_INFO],
      [NS.DISCO_ITEMS]: ["query", NS.DISCO_ITEMS],
      [NS.LAST_ACTIVITY]: ["query", NS.LAST_ACTIVITY],
      [NS.PING]: ["ping", NS.PING],
      [NS.TIME]: ["time", NS.TIME],
      [NS.VCARD]: ["vCard", NS.VCARD],
      [NS.VERSION]: ["query", NS.VERSION],
    };
    // Tests everywhere use forms, links and the protocol's own feature.
    const rest = [NS.COMMANDS, NS.DATA_FORMS, NS.IBB, NS.PUBSUB, NS.RSM, NS.STANZAPACK];
    expect([...Object.keys(others), ...rest].sort()).toEqual(
      features.filter((it) => !it.startsWith(prefix)).sort(),
    );
    for (const [name, ns] of Object.values(others))
      expect([ns, await cast.bob.outcome("get", xml(name, ns))]).toEqual([ns, "result"]);
    // XEP-0059 §2.1.
    const page = xml("query", NS.DISCO_ITEMS, xml("set", NS.RSM, xml("max", {}, "1")));
    const paged = await cast.bob.ask("get", page);
    expect(paged.getChild("query")?.getChild("set", NS.RSM)).toBeDefined();

    const item = xml("item", {}, xml("x", "urn:x"));
    const missing: readonly (readonly [feature: string, "get" | "set", Element])[] = [
      ["publish", "set", pubsub(xml("publish", { node: OPEN }, item))],
      ["publish", "set", pubsub(xml("publish", { node: OPEN }, item), xml("publish-options"))],
      ["delete-items", "set", pubsub(xml("retract", { node: OPEN }, item))],
      ["retrieve-items", "get", pubsub(xml("items", { node: OPEN }))],
      ["retrieve-affiliations", "get", pubsub(xml("affiliations"))],
      ["manage-subscriptions", "get", owned(xml("subscriptions", { node: OPEN }))],
      ["manage-subscriptions", "set", owned(xml("subscriptions", { node: OPEN }))],
      ["purge-nodes", "set", owned(xml("purge", { node: OPEN }))],
      ["outcast-affiliation", "set", affiliations(["bob@localhost", "outcast"])],
      ["publisher-affiliation", "set", affiliations(["bob@localhost", "publisher"])],
      ["publish-only-affiliation", "set", affiliations(["bob@localhost", "publish-only"])],
      [
        "get-pending",
        "set",
        xml("command", { xmlns: NS.COMMANDS, node: `${prefix}get-pending`, action: "execute" }),
      ],
      ["collections", "get", owned(xml("default", { type: "collection" }))],
    ];
    for (const [feature, type, child] of missing) {
      const error = await refusal(cast.alice, type, child);
      expect(advertised).not.toContain(feature);
      expect([error.condition, error.application]).toEqual([
        "feature-not-implemented",
        { name: "unsupported", xmlns: NS.PUBSUB_ERRORS, attrs: { feature } },
      ]);
    }
  });

  it("finds an owner, a service and the commands as nodes of service discovery, and nothing else", async () => {
    const about = async (ns: string, node: string, name: string): Promise<unknown[]> => {
      const answer = await cast.carol.ask("get", xml("query", { xmlns: ns, node }));
      const query = answer.getChild("query", ns);
      expect(query?.attrs["node"]).toBe(node);
      return (query?.getChildren(name) ?? []).map(({ attrs }) => attrs as unknown);
    };
    expect(await about(NS.DISCO_ITEMS, "alice@localhost", "item")).toMatchObject([{ node: OPEN }]);
    expect(await about(NS.DISCO_INFO, "alice@localhost", "identity")).toMatchObject([
      { category: "hierarchy" },
    ]);
    expect(await about(NS.DISCO_ITEMS, OPEN, "item")).toEqual([]);
    expect(await about(NS.DISCO_INFO, OPEN, "identity")).toMatchObject([
      { category: "pubsub", type: "leaf" },
    ]);
    // XEP-0050 §4.1.
    expect(await about(NS.DISCO_ITEMS, NS.COMMANDS, "item")).toEqual([]);
    for (const node of [CLOSED, "carol@localhost", "localhost"])
      for (const ns of [NS.DISCO_INFO, NS.DISCO_ITEMS])
        expect(await cast.carol.outcome("get", xml("query", { xmlns: ns, node }))).toBe("item-not-found");
  });
}

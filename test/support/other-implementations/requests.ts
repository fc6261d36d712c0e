import { until } from "@stanzapack/testkit";
import { bareJid, childElements, NS, xml, type Element } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import type { RawPeer } from "../raw-peer.js";
import {
  affiliations,
  CLOSED,
  NODE_CONFIG,
  OPEN,
  OPTIONS,
  owned,
  pubsub,
  refusal,
  subscribe,
  type Cast,
} from "./cast.js";
import { form } from "./xep-0060-examples.js";

/** Requests that each break one rule of XEP-0060, and their answers. */
export function requestsSuite(cast: Cast): void {
  describe("requests (XEP-0060)", () => {
    const unknown = [
      "princely_musings",
      "alice@localhost/nothing",
      "nobody@localhost/x",
      "x".repeat(3_000),
      "a/b/c",
      "/",
      " ",
    ];

    it("about nodes that nobody has are `item-not-found`, of any form", async () => {
      for (const node of unknown)
        for (const [type, child] of [
          ["set", pubsub(xml("subscribe", { node, jid: cast.bob.jid }))],
          ["set", pubsub(xml("unsubscribe", { node, jid: cast.bob.jid }))],
          ["get", pubsub(xml("options", { node, jid: cast.bob.jid }))],
          ["get", pubsub(xml("subscriptions", { node }))],
          ["get", pubsub(xml("default", { node }))],
          ["get", owned(xml("configure", { node }))],
          ["get", owned(xml("affiliations", { node }))],
          ["set", owned(xml("delete", { node }))],
          ["get", xml("query", { xmlns: NS.DISCO_INFO, node })],
          ["get", xml("query", { xmlns: NS.DISCO_ITEMS, node })],
        ] as const) {
          expect(await cast.bob.outcome(type, child), child.toString().slice(0, 300)).toBe("item-not-found");
          // For a session without a link too.
          expect(await cast.bobToo.outcome(type, jidOf(child, cast.bobToo.jid))).toBe("item-not-found");
        }
    });

    it.each<[section: string, type: "get" | "set", child: () => Element, outcome: string]>([
      ["§6.1.1 no JID", "set", () => pubsub(xml("subscribe", { node: OPEN })), "bad-request, jid-required"],
      [
        "§6.1.3.1 another JID",
        "set",
        () => pubsub(xml("subscribe", { node: OPEN, jid: cast.alice.jid })),
        "bad-request, invalid-jid",
      ],
      [
        "§6.1.1 two subscriptions",
        "set",
        () => pubsub(subscribing(cast.bob), subscribing(cast.bob)),
        "bad-request",
      ],
      [
        "§6.1.1 two actions",
        "set",
        () => pubsub(xml("create", { node: "bob@localhost/x" }), subscribing(cast.bob)),
        "bad-request",
      ],
      ["§6.2.1 no JID", "set", () => pubsub(xml("unsubscribe", { node: OPEN })), "bad-request, jid-required"],
      [
        "§6.2.3.3 another account's",
        "set",
        () => pubsub(xml("unsubscribe", { node: OPEN, jid: cast.carol.jid })),
        "forbidden",
      ],
      [
        "§6.2.3.2 the bare JID",
        "set",
        () => pubsub(xml("unsubscribe", { node: OPEN, jid: "bob@localhost" })),
        "unexpected-request, not-subscribed",
      ],
      [
        "§6.3.4.1 another account's",
        "get",
        () => pubsub(xml("options", { node: OPEN, jid: cast.carol.jid })),
        "forbidden",
      ],
      [
        "§6.3.4.1 set another account's",
        "set",
        () => pubsub(xml("options", { node: OPEN, jid: cast.carol.jid }, form("submit", OPTIONS))),
        "forbidden",
      ],
      ["§6.3.4.3 no JID", "get", () => pubsub(xml("options", { node: OPEN })), "bad-request, jid-required"],
      [
        "§6.3.4.5 another subid",
        "get",
        () => pubsub(xml("options", { node: OPEN, jid: cast.bob.jid, subid: "x" })),
        "not-acceptable, invalid-subid",
      ],
      [
        "§6.3.7 options first",
        "set",
        () => pubsub(xml("options", {}, form("submit", OPTIONS)), subscribing(cast.bob)),
        "bad-request",
      ],
      [
        "§6.3.7 options with a node",
        "set",
        () => pubsub(subscribing(cast.bob), xml("options", { node: OPEN }, form("submit", OPTIONS))),
        "bad-request",
      ],
      [
        "§6.3.7 options with a JID",
        "set",
        () => pubsub(subscribing(cast.bob), xml("options", { jid: cast.bob.jid }, form("submit", OPTIONS))),
        "bad-request",
      ],
      [
        "§6.3.7 two options",
        "set",
        () => pubsub(subscribing(cast.bob), xml("options"), xml("options")),
        "bad-request",
      ],
      ["§8.1.1 no node", "set", () => pubsub(xml("create")), "not-acceptable, nodeid-required"],
      [
        "§8.1.1 no node that one may have",
        "set",
        () => pubsub(xml("create", { node: "princely_musings" })),
        "not-acceptable, nodeid-required",
      ],
      [
        "§8.1.1 somebody else's",
        "set",
        () => pubsub(xml("create", { node: "alice@localhost/x" })),
        "forbidden",
      ],
      [
        "§8.1.2 another access model",
        "set",
        () => creating({ "pubsub#access_model": "roster" }),
        "not-acceptable, unsupported-access-model",
      ],
      [
        "§8.1.2 no access model",
        "set",
        () => creating({ "pubsub#access_model": "opne" }),
        "not-acceptable, unsupported-access-model",
      ],
      [
        "XEP-0248 a collection",
        "set",
        () => creating({ "pubsub#node_type": "collection" }),
        "feature-not-implemented, unsupported",
      ],
      [
        "§8.1.3 configure first",
        "set",
        () => pubsub(xml("configure"), xml("create", { node: "bob@localhost/x" })),
        "bad-request",
      ],
      [
        "§8.1.3 configure with a node",
        "set",
        () =>
          pubsub(xml("create", { node: "bob@localhost/x" }), xml("configure", { node: "bob@localhost/x" })),
        "bad-request",
      ],
      ["§8.2.3.3 no node", "get", () => owned(xml("configure")), "bad-request, nodeid-required"],
      ["§8.2.3.2 somebody else's", "get", () => owned(xml("configure", { node: OPEN })), "forbidden"],
      ["§8.4.3 no node", "set", () => owned(xml("delete")), "bad-request, nodeid-required"],
      [
        "§8.4.1 two deletions",
        "set",
        () => owned(xml("delete", { node: "bob@localhost/x" }), xml("delete", { node: "bob@localhost/y" })),
        "bad-request",
      ],
      ["nothing", "set", () => pubsub(), "bad-request"],
      ["what XEP-0060 does not have", "set", () => pubsub(xml("frobnicate")), "bad-request"],
      ["a change in a question", "get", () => pubsub(subscribing(cast.bob)), "bad-request"],
      ["a question in a change", "set", () => pubsub(xml("subscriptions")), "bad-request"],
    ])("%s", async (_, type, child, outcome) => {
      expect(await cast.bob.outcome(type, child())).toBe(outcome);
    });
    const subscribing = (peer: RawPeer): Element => xml("subscribe", { node: OPEN, jid: peer.jid });
    const creating = (fields: Record<string, string>): Element =>
      pubsub(
        xml("create", { node: "bob@localhost/x" }),
        xml("configure", {}, form("submit", NODE_CONFIG, fields)),
      );

    it("list the subscriptions of all sessions of the account, or those to one node (§5.6)", async () => {
      const listed = async (peer: RawPeer, node?: string): Promise<unknown[]> => {
        const answer = await peer.ask("get", pubsub(xml("subscriptions", { node })));
        const list = answer.getChild("pubsub")?.getChild("subscriptions");
        expect(list?.attrs["node"]).toBe(node);
        return (list?.getChildren("subscription") ?? []).map(
          ({ attrs }) => [attrs["node"], attrs["jid"]] as unknown[],
        );
      };
      await subscribe(cast);
      await cast.bob.ask("set", pubsub(xml("create", { node: "bob@localhost/own" })));
      for (const peer of [cast.bob, cast.bobToo]) {
        expect(await listed(peer)).toEqual([[OPEN, cast.bob.jid]]);
        expect(await listed(peer, OPEN)).toEqual([[OPEN, cast.bob.jid]]);
        expect(await listed(peer, "bob@localhost/own")).toEqual([]);
      }
      expect(await listed(cast.carol)).toEqual([]);
      // §6.2.3.3, §6.3.4.1: a session may act for another session of its account.
      const meant = { node: OPEN, jid: cast.bob.jid };
      await cast.bobToo.ask("get", pubsub(xml("options", meant)));
      await cast.bobToo.ask("set", pubsub(xml("unsubscribe", meant)));
      expect(await listed(cast.bob)).toEqual([]);
      await cast.bob.ask("set", owned(xml("delete", { node: "bob@localhost/own" })));
    });

    it("change affiliations (§8.9.2): the owner stays, and what there is not is refused", async () => {
      const now = async (): Promise<unknown[]> => {
        const answer = await cast.alice.ask("get", owned(xml("affiliations", { node: CLOSED })));
        return entriesOf(answer);
      };
      const owner = ["alice@localhost", "owner"];
      await cast.alice.ask("set", affiliations(["bob@localhost", "member"]));
      await cast.bob.ask("set", pubsub(xml("subscribe", { node: CLOSED, jid: cast.bob.jid })));
      for (const [affiliation, feature] of [
        ["outcast", "outcast-affiliation"],
        ["publisher", "publisher-affiliation"],
        ["publish-only", "publish-only-affiliation"],
      ] as const) {
        const asked = affiliations(["carol@localhost", "member"], ["bob@localhost", affiliation]);
        const error = await refusal(cast.alice, "set", asked);
        expect([error.condition, error.application]).toEqual([
          "feature-not-implemented",
          { name: "unsupported", xmlns: NS.PUBSUB_ERRORS, attrs: { feature } },
        ]);
      }
      const twice = affiliations(["carol@localhost", "member"], ["Carol@localhost/r", "none"]);
      expect(await cast.alice.outcome("set", twice)).toBe("bad-request");
      expect(await cast.alice.outcome("set", affiliations(["carol@localhost", "king"]))).toBe("bad-request");
      // §8.9.2.1: without the attribute `affiliation`, nothing changes.
      await cast.alice.ask("set", affiliations(["bob@localhost"], ["alice@localhost", "owner"]));
      expect(await now()).toEqual([owner, ["bob@localhost", "member"]]);
      for (const [jid, affiliation] of [
        ["alice@localhost", "none"],
        ["alice@localhost", "member"],
        ["bob@localhost", "owner"],
      ] as const) {
        // §8.9.2.4: changes that the answer does not name are done.
        const error = await refusal(
          cast.alice,
          "set",
          affiliations([jid, affiliation], ["carol@localhost", "member"]),
        );
        expect(error.condition).toBe("not-acceptable");
        expect(await now()).toEqual([owner, ["bob@localhost", "member"], ["carol@localhost", "member"]]);
        await cast.alice.ask("set", affiliations(["carol@localhost", "none"]));
      }
    });

    it("bring the event of who is revoked and of a node deleted (§8.4.2, §12.10)", async () => {
      const eventsOf = (): unknown[] =>
        cast.came.bob.flatMap((stanza) =>
          childElements(stanza.getChild("event", NS.PUBSUB_EVENT) ?? xml("none")),
        );
      cast.came.bob.length = 0;
      const answer = await cast.bob.ask("set", pubsub(xml("subscribe", { node: CLOSED, jid: cast.bob.jid })));
      const subid = answer.getChild("pubsub")?.getChild("subscription")?.attrs["subid"] as string;
      await cast.alice.ask("set", affiliations(["bob@localhost", "none"]));
      await until(() => eventsOf().length === 1, 20_000, "the event of the revocation");
      await subscribe(cast);
      await cast.alice.ask("set", owned(xml("delete", { node: OPEN })));
      await until(() => eventsOf().length === 2, 20_000, "the event of the deletion");
      const [revoked, deleted] = eventsOf() as [Element, Element];
      expect([revoked.name, revoked.attrs]).toEqual([
        "subscription",
        { node: CLOSED, jid: cast.bob.jid, subid, subscription: "none" },
      ]);
      expect([deleted.name, deleted.attrs]).toEqual(["delete", { node: OPEN }]);
      expect(cast.came.bob.every(({ attrs }) => attrs["type"] === "headline")).toBe(true);
      await cast.alice.ask("set", pubsub(xml("create", { node: OPEN })));
    });
  });
}

function entriesOf(answer: Element): unknown[] {
  const list = answer.getChild("pubsub")?.getChild("affiliations")?.getChildren("affiliation");
  return (list ?? []).map(({ attrs }) => [attrs["jid"], attrs["affiliation"]] as unknown[]);
}

/** The same request with another session's JID. */
function jidOf(child: Element, jid: string): Element {
  for (const element of childElements(child))
    if (element.attrs["jid"] !== undefined && bareJid(String(element.attrs["jid"])) === bareJid(jid))
      element.attrs["jid"] = jid;
  return child;
}

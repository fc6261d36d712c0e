import { until } from "@stanzapack/testkit";
import { NS, parseStanzaError, xml, type Element } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import { pubsub, refusal, type Cast } from "./cast.js";

/** What a person tries who has only found the address. */
export function firstTriesSuite(cast: Cast): void {
  describe("a person's first tries", () => {
    const send = (stanza: Element): Promise<void> => {
      cast.came.carol.length = 0;
      cast.carol.sendStanza(stanza);
      return cast.carol.settled();
    };
    /** The component's answers to carol, without stanzas that the server itself sends. */
    const answers = (): Element[] =>
      cast.came.carol.filter(({ attrs }) => String(attrs["from"]).includes(cast.stack.domain));
    const faults = (): unknown[] =>
      answers().map(
        (stanza) => [stanza.name, stanza.attrs["type"], parseStanzaError(stanza).condition] as unknown[],
      );

    it("are answered at addresses that do not exist, whatever is sent there", async () => {
      for (const to of [
        `bogus@${cast.stack.domain}`,
        `bogus@${cast.stack.domain}/r`,
        `${cast.stack.domain}/r`,
      ]) {
        expect(await cast.carol.outcome("get", xml("query", NS.DISCO_INFO), to)).toBe("item-not-found");
        expect(await cast.carol.outcome("get", xml("query", NS.DISCO_ITEMS), to)).toBe("item-not-found");
        expect(await cast.carol.outcome("get", pubsub(xml("subscriptions")), to)).toBe("service-unavailable");
        expect(await cast.carol.outcome("get", xml("query", NS.VERSION), to)).toBe("service-unavailable");
        const open = xml("open", { xmlns: NS.IBB, sid: "x", "block-size": "4096", stanza: "message" });
        expect(await cast.carol.outcome("set", open, to)).toBe("service-unavailable");
        for (const type of [undefined, "chat", "groupchat"]) {
          await send(xml("message", { to, type }, xml("body", {}, "hello")));
          expect(faults()).toEqual([["message", "error", "service-unavailable"]]);
        }
        await send(xml("message", { to, type: "headline" }, xml("body", {}, "news")));
        expect(answers()).toEqual([]);
      }
      expect(await cast.carol.outcome("get", xml("ping", NS.PING), `bogus@${cast.stack.domain}`)).toBe(
        "service-unavailable",
      );
    });

    it("a subscription to its presence: it has none", async () => {
      for (const to of [cast.stack.domain, `bogus@${cast.stack.domain}`]) {
        cast.came.carol.length = 0;
        cast.carol.sendStanza(xml("presence", { to, type: "subscribe" }));
        const refused = (): unknown =>
          cast.came.carol.find(({ attrs }) => attrs["type"] === "unsubscribed")?.attrs["from"];
        // If a server has the subscription as pending, it may report the refusal only in the roster.
        await until(() => refused() === to, 20_000, "unsubscribed");
      }
    });

    it("a room that there is not", async () => {
      for (const to of [`${cast.stack.domain}/carol`, `room@${cast.stack.domain}/carol`, cast.stack.domain]) {
        await send(xml("presence", { to }, xml("x", NS.MUC)));
        await until(() => answers().length === 1, 20_000, "the error");
        expect(faults()).toEqual([["presence", "error", "item-not-found"]]);
        expect(parseStanzaError(answers()[0] as Element).text).toContain("no rooms");
      }
      await send(xml("message", { to: cast.stack.domain, type: "groupchat" }, xml("body", {}, "hello?")));
      expect(faults()).toEqual([["message", "error", "service-unavailable"]]);
    });

    it("version, card and what else a client asks", async () => {
      const version = await cast.carol.ask("get", xml("query", NS.VERSION));
      expect(version.getChild("query")?.getChildText("name")).toBe("Stanzapack");
      expect(version.getChild("query")?.getChildText("version")).toMatch(/^\d+\.\d+\.\d+$/);
      const card = await cast.carol.ask("get", xml("vCard", NS.VCARD));
      expect(card.getChild("vCard")?.getChildText("FN")).toBe("Stanzapack");
      for (const [type, child] of [
        ["set", xml("vCard", NS.VCARD)],
        ["get", xml("query", "jabber:iq:register")],
        ["set", xml("query", "jabber:iq:register")],
        ["get", xml("query", "jabber:iq:search")],
        ["get", xml("query", NS.ROSTER)],
        ["get", xml("query", "jabber:iq:gateway")],
        ["get", xml("nonsense", "urn:nonsense")],
      ] as const) {
        const error = await refusal(cast.carol, type, child);
        expect(error.condition).toBe("service-unavailable");
        expect(error.text).toContain("Stanzapack does not have");
      }
      const command = xml("command", { xmlns: NS.COMMANDS, node: "list", action: "execute" });
      expect(await cast.carol.outcome("set", command)).toBe("item-not-found");
    });

    it("a word of chat: an answer or three, and none to what no person wrote just now", async () => {
      const body = xml("body", {}, "hello");
      for (const silent of [
        xml("message", { to: cast.stack.domain, type: "headline" }, body),
        xml(
          "message",
          { to: cast.stack.domain, type: "chat" },
          xml("active", "http://jabber.org/protocol/chatstates"),
        ),
        xml("message", { to: cast.stack.domain, type: "chat" }, body, xml("delay", NS.DELAY)),
        xml("message", { to: cast.stack.domain, type: "chat" }, body, xml("sent", NS.CARBONS)),
        xml("message", { to: cast.stack.domain, type: "error" }, body, xml("error", { type: "cancel" })),
      ]) {
        await send(silent);
        expect(answers(), silent.toString()).toEqual([]);
      }
      const texts: unknown[] = [];
      for (const type of ["chat", undefined, "chat", "chat", "chat"]) {
        await send(xml("message", { to: cast.stack.domain, type, id: "m" }, body, xml("thread", {}, "t")));
        texts.push(
          ...answers().map(
            (it) => [it.attrs["type"], it.getChildText("thread"), it.getChildText("body")] as unknown[],
          ),
        );
      }
      const text: unknown = expect.stringContaining("does not chat");
      expect(texts).toEqual([
        ["chat", "t", text],
        [undefined, "t", text],
        ["chat", "t", text],
      ]);
    });
  });
}

import { NS, xml, type Element } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import type { RawPeer } from "../raw-peer.js";
import {
  configure,
  firstIn,
  NODE_CONFIG,
  OPEN,
  OPTIONS,
  optionsOf,
  owned,
  pubsub,
  refusal,
  subscribe,
  type Cast,
} from "./cast.js";
import { EXAMPLE_CONFIG, EXAMPLE_OPTIONS, form } from "./xep-0060-examples.js";

const OWN = "{urn:stanzapack:0}";

/** Data forms as other clients fill them in. */
export function formsSuite(cast: Cast): void {
  const options = (...children: Element[]): Element => optionsOf(cast, ...children);
  const configuration = async (): Promise<Map<string, string[]>> =>
    valuesOf(firstIn(await cast.alice.ask("get", configure())));
  describe("forms (XEP-0004)", () => {
    it("take the examples of XEP-0060 §6.3.5, §6.3.7, §8.1.3 and §8.2.4: what is unknown is ignored", async () => {
      await subscribe(cast, xml("options", {}, form("submit", OPTIONS, EXAMPLE_OPTIONS)));
      await cast.bob.ask(
        "set",
        options(form("submit", OPTIONS, EXAMPLE_OPTIONS, { "x-mine": "1", nonsense: ["a", "b"] })),
      );
      const config = form("submit", NODE_CONFIG, EXAMPLE_CONFIG);
      await cast.alice.ask("set", pubsub(xml("create", { node: OPEN }), xml("configure", {}, config)));
      await cast.alice.ask("set", configure(config));
      expect((await configuration()).get("pubsub#title")).toEqual(["Princely Musings (Atom)"]);
    });

    it("refuse an option of our own that there is not: silence would deliver something else", async () => {
      for (const [peer, child] of [
        [cast.bob, options(form("submit", OPTIONS, { [`${OWN}sampels`]: "latest" }))],
        [cast.alice, configure(form("submit", NODE_CONFIG, { [`${OWN}acess`]: "open" }))],
      ] as const)
        expect((await refusal(peer, "set", child)).application?.name).toBe("invalid-options");
    });

    it("change nothing when they are cancelled (§3.1)", async () => {
      await cast.alice.ask("set", configure(form("submit", NODE_CONFIG, { "pubsub#title": "kept" })));
      await cast.alice.ask("set", configure(form("cancel", "")));
      await cast.alice.ask("set", configure(form("cancel", NODE_CONFIG, { "pubsub#title": "lost" })));
      expect((await configuration()).get("pubsub#title")).toEqual(["kept"]);
      await cast.bob.ask("set", options(form("submit", OPTIONS, { "pubsub#digest_frequency": "200" })));
      await cast.bob.ask("set", options(form("cancel", "", { "pubsub#digest_frequency": "500" })));
      const answer = await cast.bob.ask("get", options());
      const given = valuesOf(answer.getChild("pubsub")?.getChild("options"));
      expect(given.get("pubsub#digest_frequency")).toEqual(["200"]);
      const node = "alice@localhost/cancelled";
      const create = pubsub(xml("create", { node }), xml("configure", {}, form("cancel", "")));
      expect(await cast.alice.outcome("set", create)).toBe("bad-request, invalid-options");
      expect(await cast.alice.outcome("get", xml("query", { xmlns: NS.DISCO_INFO, node }))).toBe(
        "item-not-found",
      );
    });

    const title = { "pubsub#title": "a" };
    it.each<[what: string, ...forms: Element[]]>([
      ["no form"],
      ["type `form`", form("form", NODE_CONFIG, title)],
      ["type `result`", form("result", NODE_CONFIG, title)],
      ["no type", form(undefined, NODE_CONFIG, title)],
      ["an unknown type", form("nonsense", NODE_CONFIG, title)],
      ["a field twice", form("submit", NODE_CONFIG, title, title)],
      ["an unknown field twice", form("submit", NODE_CONFIG, { a: "1" }, { a: "2" })],
      ["FORM_TYPE twice", form("submit", NODE_CONFIG, { FORM_TYPE: OPTIONS }, title)],
      ["another FORM_TYPE", form("submit", OPTIONS, title)],
      ["no FORM_TYPE", form("submit", "", title)],
      ["two forms", form("submit", NODE_CONFIG, title), form("submit", NODE_CONFIG, title)],
    ])("are no submissions: %s", async (_, ...forms) => {
      expect(await cast.alice.outcome("set", configure(...forms))).toBe("bad-request, invalid-options");
    });

    it.each([
      { "pubsub#title": ["a", "b"] },
      { "pubsub#access_model": ["open", "open"] },
      { [`${OWN}kind`]: "log" },
      { [`${OWN}members`]: "@" },
    ])("are not acceptable as a configuration (XEP-0060 §8.2.5.2): %j", async (fields) => {
      expect(await cast.alice.outcome("set", configure(form("submit", NODE_CONFIG, fields)))).toMatch(
        /^not-acceptable/,
      );
    });

    it("take an empty value, and a field without one, as none", async () => {
      const members = `${OWN}members`;
      const given = { "pubsub#title": "t", [members]: ["bob@localhost", "bob@localhost", "carol@localhost"] };
      for (const none of ["", []]) {
        await cast.alice.ask("set", configure(form("submit", NODE_CONFIG, given)));
        expect((await configuration()).get(members)).toEqual(["bob@localhost", "carol@localhost"]);
        const empty = {
          "pubsub#title": none,
          [members]: none,
          "pubsub#access_model": none,
          [`${OWN}kind`]: none,
        };
        await cast.alice.ask("set", configure(form("submit", NODE_CONFIG, empty)));
        const now = await configuration();
        expect([now.get("pubsub#title"), now.get(members), now.get("pubsub#access_model")]).toEqual([
          [],
          [],
          ["open"],
        ]);
        await cast.bob.ask(
          "set",
          options(
            form("submit", OPTIONS, {
              "pubsub#digest_frequency": none,
              [`${OWN}max_rate`]: none,
              "pubsub#digest": none,
            }),
          ),
        );
      }
    });

    it.each([
      ["1", "200"],
      ["true", "200"],
      ["0", "0"],
      ["false", "0"],
    ])("read the boolean %s", async (digest, windowMs) => {
      const fields = { "pubsub#digest": digest, "pubsub#digest_frequency": "200" };
      const answer = await cast.bob.ask("set", options(form("submit", OPTIONS, fields)));
      const granted = valuesOf(answer.getChild("pubsub")?.getChild("options"));
      expect(granted.get("pubsub#digest_frequency")).toEqual([windowMs]);
      expect(
        await cast.bob.outcome("set", options(form("submit", OPTIONS, { "pubsub#digest": "yes" }))),
      ).toBe("bad-request, invalid-options");
    });

    it.each<[what: string, () => readonly [RawPeer, Element, resubmit?: (x: Element) => Element]]>([
      ["configure (§8.2.2)", () => [cast.alice, configure(), configure]],
      ["default configuration (§8.3)", () => [cast.bob, owned(xml("default")), configure]],
      ["options (§6.3.3)", () => [cast.bob, options(), options]],
      ["default options (§6.4)", () => [cast.bob, pubsub(xml("default", { node: OPEN })), options]],
      ["default options of the service (§6.4)", () => [cast.bob, pubsub(xml("default"))]],
    ])("of ours have types, labels and options, and come back as they are: %s", async (_, make) => {
      const [peer, request, resubmit] = make();
      const answer = await peer.ask("get", request);
      const x = formIn(firstIn(answer));
      expect(x.attrs["type"]).toBe("form");
      const [formType, ...fields] = x.getChildren("field");
      expect(formType?.attrs).toEqual({ var: "FORM_TYPE", type: "hidden" });
      expect(fields.length).toBeGreaterThan(4);
      for (const field of fields) {
        expect(field.attrs).toMatchObject({ type: expect.any(String), label: expect.any(String) });
        const offered = field.getChildren("option").map((option) => option.getChildText("value"));
        if (field.attrs["type"] === "list-single")
          expect(offered).toContain(field.getChildText("value") ?? offered[0]);
        else expect(offered).toEqual([]);
      }
      x.attrs["type"] = "submit";
      if (resubmit !== undefined)
        await (resubmit === configure ? cast.alice : cast.bob).ask("set", resubmit(x));
    });
  });
}

function formIn(element: Element | undefined): Element {
  return element?.getChild("x", NS.DATA_FORMS) as Element;
}

function valuesOf(element: Element | undefined): Map<string, string[]> {
  const fields = formIn(element).getChildren("field");
  return new Map(
    fields.map((field) => [
      String(field.attrs["var"]),
      field.getChildren("value").map((value) => value.text()),
    ]),
  );
}

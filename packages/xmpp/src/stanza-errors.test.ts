import { describe, expect, it } from "vitest";
import { StanzaError } from "./errors.js";
import { formatStanzaError, parseStanzaError } from "./stanza-errors.js";
import { xml } from "./xml.js";

describe("stanza errors (RFC 6120 §8.3)", () => {
  it.each([
    new StanzaError("item-not-found", "cancel"),
    new StanzaError("not-acceptable", "modify", "a <text>"),
    new StanzaError("feature-not-implemented", "cancel", "", {
      name: "unsupported",
      xmlns: "http://jabber.org/protocol/pubsub#errors",
      attrs: { feature: "subscribe" },
    }),
    new StanzaError("resource-constraint", "wait", "later", { name: "retry", xmlns: "urn:t", text: "5" }),
  ])("come back as they were: %s", (error) => {
    expect(parseStanzaError(xml("iq", { type: "error" }, formatStanzaError(error)))).toEqual(error);
  });

  it("are made of whatever comes", () => {
    expect(parseStanzaError(xml("iq", {}))).toMatchObject({
      condition: "undefined-condition",
      type: "cancel",
    });
    const strange = xml("error", { type: "x" }, "text", xml("thing", { xmlns: "urn:t" }));
    expect(parseStanzaError(xml("iq", {}, strange))).toMatchObject({
      application: { name: "thing", xmlns: "urn:t" },
    });
  });
});

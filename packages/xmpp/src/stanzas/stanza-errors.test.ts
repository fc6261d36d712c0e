import { describe, expect, it } from "vitest";
import { StanzaError } from "../base/errors.js";
import { countElements } from "../xml/outbound-check.js";
import { formatStanzaError, parseStanzaError } from "./stanza-errors.js";
import { xml } from "../xml/xml.js";

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

  it("quote what XML cannot carry as U+FFFD", () => {
    const quoted = "\u{1f600}".slice(0, 1) + "a\u0002b\u{1f600}";
    const application = { name: "retry", xmlns: "urn:t", text: quoted };
    const error = formatStanzaError(new StanzaError("bad-request", "modify", quoted, application));
    expect(parseStanzaError(xml("iq", {}, error))).toMatchObject({
      ...{ text: "\ufffda\ufffdb\u{1f600}", application: { text: "\ufffda\ufffdb\u{1f600}" } },
    });
    expect(countElements(`<iq type='error'>${error.toString()}</iq>`)).toMatchObject({ stanzas: 1 });
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

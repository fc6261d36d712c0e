import { ERRORS, StanzapackError, type ErrorCode } from "@stanzapack/wire";
import { NS, StanzaError, XmppError } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import { toStanzapackError } from "./errors.js";

describe("toStanzapackError", () => {
  it.each<[ErrorCode, StanzaError]>([
    ["no-such-service", new StanzaError("item-not-found", "cancel", "nobody offers it")],
    [
      "not-allowed",
      new StanzaError("not-allowed", "cancel", "", { name: "closed-node", xmlns: NS.PUBSUB_ERRORS }),
    ],
    ["forbidden", new StanzaError("forbidden", "auth")],
    ["conflict", new StanzaError("conflict", "cancel")],
    [
      "invalid-options",
      new StanzaError("bad-request", "modify", "", { name: "invalid-options", xmlns: NS.PUBSUB_ERRORS }),
    ],
    ["component-unavailable", new StanzaError("service-unavailable", "cancel")],
    ["component-unavailable", new StanzaError("remote-server-not-found", "cancel")],
    ["busy", new StanzaError("resource-constraint", "wait")],
    ["limit-exceeded", new StanzaError("resource-constraint", "modify")],
  ])("reads %s from the condition", (code, error) => {
    expect(toStanzapackError(error, "doing")).toMatchObject({ code, origin: "peer", cause: error });
  });

  it("knows our own codes by their name, and nothing by names of other namespaces", () => {
    const read = (name: string, xmlns: string, attrs?: Record<string, string>): StanzapackError =>
      toStanzapackError(
        new StanzaError("internal-server-error", "cancel", "", { name, xmlns, ...(attrs && { attrs }) }),
        "offering",
      );
    expect(read("store-failed", NS.STANZAPACK)).toMatchObject({ code: "store-failed", retryable: false });
    expect(read("store-failed", NS.STANZAPACK, { ms: "50" })).toMatchObject({ retryAfterMs: 50 });
    for (const [name, ns] of [
      ["store-failed", "urn:other"],
      ["conflict", "urn:other"],
      ["constructor", NS.STANZAPACK],
      ["constructor", NS.PUBSUB_ERRORS],
    ] as const)
      expect(read(name, ns)).toMatchObject({ code: "internal", retryable: true });
  });

  it("takes what is of type `wait` for something that passes, whatever it is called", () => {
    const busy = new StanzaError("internal-server-error", "wait", "", {
      ...{ name: "store-failed", xmlns: NS.STANZAPACK },
    });
    expect(toStanzapackError(busy, "offering")).toMatchObject({ code: "store-failed", retryable: true });
    expect(toStanzapackError(new StanzaError("conflict", "wait"), "offering").retryable).toBe(true);
  });

  it("does not repeat the advice that the component's text ends with", () => {
    const sent = new StanzapackError("no-such-service", "nobody offers `x`");
    const read = toStanzapackError(new StanzaError("item-not-found", "cancel", sent.message), "subscribing");
    expect(read.message).toBe(`subscribing: nobody offers \`x\`. ${ERRORS["no-such-service"].mend}`);
  });

  it("keeps its own, and maps the transport's", () => {
    const own = new StanzapackError("usage", "no");
    expect(toStanzapackError(own, "doing")).toBe(own);
    expect(toStanzapackError(new XmppError("tls", "bad certificate"), "doing")).toMatchObject({
      code: "tls-failed",
      origin: "transport",
    });
    expect(toStanzapackError(new TypeError("oops"), "doing")).toMatchObject({ code: "internal" });
  });
});

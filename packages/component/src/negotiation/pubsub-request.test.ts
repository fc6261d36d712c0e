import { NS, xml } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import { readAction } from "./pubsub-request.js";

describe.each(["set", "get", "owner set", "owner get"] as const)("an iq (%s)", (kind) => {
  const read = (name: string) =>
    readAction(kind, xml("pubsub", kind.startsWith("owner") ? NS.PUBSUB_OWNER : NS.PUBSUB, xml(name)));

  it("is `bad-request` with what is no action, also with names that every object has", () => {
    for (const name of ["constructor", "toString", "valueOf", "__proto__", "bogus"])
      expect(() => read(name)).toThrow(expect.objectContaining({ condition: "bad-request" }));
  });

  it("names the feature of an action of XEP-0060 that is not there", () => {
    const [name, feature] = {
      set: ["publish", "publish"],
      get: ["items", "retrieve-items"],
      "owner set": ["purge", "purge-nodes"],
      "owner get": ["subscriptions", "manage-subscriptions"],
    }[kind] as [string, string];
    expect(() => read(name)).toThrow(
      expect.objectContaining({
        condition: "feature-not-implemented",
        application: expect.objectContaining({ attrs: { feature } }),
      }),
    );
  });
});

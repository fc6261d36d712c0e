import { describe, expect, it } from "vitest";
import { entryId, Keys } from "./keys.js";

/** What Redis Cluster hashes of a key: what is between the first `{` and the next `}` (Redis Cluster specification). */
function tagOf(key: string): string {
  const from = key.indexOf("{");
  const to = key.indexOf("}", from + 1);
  return from < 0 || to <= from + 1 ? key : key.slice(from + 1, to);
}

describe("the names of keys in Redis", () => {
  it.each(["alice@x/log", "a{b}c@x/log", "}a@x/{", "100%@x/%7B"])("of `%s` have one hash tag", (node) => {
    const keys = new Keys("stanzapack:");
    const { channel, ...names } = keys.service(node);
    const all = [...Object.values(names), channel, keys.cursors(node)];
    expect(new Set(all.map(tagOf)).size).toBe(1);
    expect(new Set(all).size).toBe(6);
    for (const key of all) expect(key.startsWith("stanzapack:{")).toBe(true);
  });

  it("differ for nodes that differ", () => {
    const keys = new Keys("p:");
    const nodes = ["a{@x/t", "a%7B@x/t", "a%257B@x/t", "a}@x/t"];
    expect(new Set(nodes.map((node) => keys.service(node).record)).size).toBe(nodes.length);
  });

  it("of entries are in the order of epochs, then of offsets", () => {
    expect(entryId(4_000_000_000, Number.MAX_SAFE_INTEGER)).toBe("4000000000-9007199254740991");
  });
});

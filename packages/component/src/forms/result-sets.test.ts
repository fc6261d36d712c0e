import { NS, xml, type Element, type StanzaError } from "@stanzapack/xmpp";
import { describe, expect, it } from "vitest";
import type { Service } from "../catalog/service.js";
import { ServiceList } from "../catalog/service-list.js";
import { resultSetOf, takePage, type ResultSet } from "./result-sets.js";

const LETTERS = resultSetOf([..."abcdefghij"], (letter) => letter);
const query = (...children: Element[]): Element => xml("query", NS.DISCO_ITEMS, ...children);
const set = (fields: Readonly<Record<string, string | number>>): Element =>
  xml("set", NS.RSM, ...Object.entries(fields).map(([name, value]) => xml(name, {}, String(value))));

/** Returns a page as text: `abc, first a at 0, last c, of 10`. */
function pageOf<T extends string>(list: ResultSet<T>, request: Element): string {
  const page = takePage(list, request, (item) => xml("item", {}, item));
  const [told] = page.set;
  const first = told?.getChild("first");
  return [
    page.elements.map((element) => element.text()).join(""),
    ...(first === undefined ? [] : [`first ${first.text()} at ${String(first.attrs["index"])}`]),
    ...(told?.getChild("last") === undefined ? [] : [`last ${told.getChild("last")?.text()}`]),
    ...(told === undefined ? [] : [`of ${told.getChild("count")?.text()}`]),
  ].join(", ");
}

describe("a page of a list (XEP-0059)", () => {
  it.each<[string, Record<string, string | number> | undefined, string]>([
    ["is the whole of a short one where none is asked for", undefined, "abcdefghij"],
    ["§2.1: has so many items", { max: 3 }, "abc, first a at 0, last c, of 10"],
    ["§2.2: follows an item", { max: 3, after: "c" }, "def, first d at 3, last f, of 10"],
    ["§2.2: ends with the list", { max: 3, after: "i" }, "j, first j at 9, last j, of 10"],
    ["§2.2: is empty behind the last", { max: 3, after: "j" }, "of 10"],
    ["§2.3: precedes an item", { max: 3, before: "g" }, "def, first d at 3, last f, of 10"],
    ["§2.3: begins with the list", { max: 3, before: "b" }, "a, first a at 0, last a, of 10"],
    ["§2.4: goes on where an item has gone", { max: 2, after: "cx" }, "de, first d at 3, last e, of 10"],
    ["§2.4: and before one", { max: 2, before: "cx" }, "bc, first b at 1, last c, of 10"],
    ["§2.5: is the last one", { max: 2, before: "" }, "ij, first i at 8, last j, of 10"],
    ["§2.6: stands at an index", { max: 2, index: 4 }, "ef, first e at 4, last f, of 10"],
    ["§2.6: is empty beyond the last", { max: 2, index: 10 }, "of 10"],
    ["§2.7: of no items tells the count", { max: 0 }, "of 10"],
    [
      "has as much as is there of any `max`",
      { max: 2_147_483_647, after: "g" },
      "hij, first h at 7, last j, of 10",
    ],
    ["has the rest without a `max`", { after: "g" }, "hij, first h at 7, last j, of 10"],
  ])("%s", (_, fields, expected) => {
    const text = pageOf(LETTERS, fields === undefined ? query() : query(set(fields)));
    expect(text.replace(/^, /, "")).toBe(expected);
  });

  it("§2.2: of an empty list is what it is without this", () => {
    expect(pageOf(resultSetOf<string>([], String), query(set({ max: 3 })))).toBe("");
  });

  it.each<[string, Element]>([
    ["no number", query(set({ max: "many" }))],
    ["a negative one", query(set({ max: -1 }))],
    ["a fraction", query(set({ index: "1.5" }))],
    ["two ends", query(set({ after: "a", before: "c" }))],
    ["two sets", query(set({ max: 1 }), set({ max: 2 }))],
    ["one twice", query(xml("set", NS.RSM, xml("max", {}, "1"), xml("max", {}, "2")))],
    ["a UID without end", query(set({ after: "x".repeat(10_000) }))],
  ])("is `bad-request` with %s", (_, request) => {
    expect(() => pageOf(LETTERS, request)).toThrow(
      expect.objectContaining({ condition: "bad-request" }) as StanzaError,
    );
  });

  it("comes first, unasked, of what is long, or large", () => {
    const many = resultSetOf(
      Array.from({ length: 2_500 }, (_, i) => String(i).padStart(4, "0")),
      (item) => item,
    );
    expect(pageOf(many, query()).slice(4_000)).toBe(", first 0000 at 0, last 0999, of 2500");
    const large = resultSetOf(
      Array.from({ length: 100 }, (_, i) => String(i).padEnd(10_000, "x")),
      (item) => item.slice(0, 2),
    );
    const { elements, set: told } = takePage(large, query(), (item) => xml("item", {}, item));
    expect([elements.length, told.length]).toEqual([24, 1]);
  });
});

describe("the list of services", () => {
  const service = (node: string, owner?: string): Service =>
    ({
      node,
      id: { owner: "alice@x", name: "t" },
      withdrawn: false,
      config: { access: owner === undefined ? "open" : "whitelist" },
      record: { mayFind: (asker: string) => owner === undefined || asker === owner },
    }) as unknown as Service;
  /** Returns the whole list, page by page. `between` is called between pages, and may change the list. */
  const walk = (list: ServiceList, asker: string, max: number, between: () => void = () => undefined) => {
    const nodes: string[] = [];
    let after = {};
    for (;;) {
      const page = takePage(list.visibleTo(asker), query(set({ max, ...after })), ({ node }) =>
        xml("item", { node }),
      );
      nodes.push(...page.elements.map(({ attrs }) => String(attrs["node"])));
      const last = page.set[0]?.getChild("last");
      if (last === undefined) return { nodes, count: page.set[0]?.getChild("count") };
      after = { after: last.text() };
      between();
    }
  };

  it("comes whole, and without what has gone, while services come and go", () => {
    const list = new ServiceList();
    const services = Array.from({ length: 100 }, (_, i) => service(`s${i}`));
    for (const one of services) list.add(one);
    let next = 0;
    const { nodes } = walk(list, "bob@x", 7, () => {
      // The last item of the page before is among the withdrawn ones.
      for (const gone of services.slice(next, (next += 6))) {
        gone.withdrawn = true;
        list.remove(gone);
      }
    });
    expect(nodes).toEqual(services.map(({ node }) => node));
  });

  it("shows each asker what it may find, of few and of many, and tells nobody how many else there are", () => {
    for (const size of [10, 8_000]) {
      const list = new ServiceList();
      for (let i = 0; i < size; i++) list.add(service(`s${i}`, i % 2 === 0 ? undefined : "alice@x"));
      const hers = walk(list, "alice@x", 1_000);
      const his = walk(list, "bob@x", 1_000);
      expect([hers.nodes.length, his.nodes.length]).toEqual([size, size / 2]);
      expect([his.count?.text(), his.count?.attrs["exact"]]).toEqual([String(size / 2), String(size === 10)]);
    }
  });

  it("has no page at what is no UID of its", () => {
    const list = new ServiceList();
    list.add(service("s"));
    expect(() =>
      takePage(list.visibleTo("bob@x"), query(set({ after: "alice@x/s" })), () => xml("item")),
    ).toThrow(expect.objectContaining({ condition: "item-not-found" }) as StanzaError);
  });
});

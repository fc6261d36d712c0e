import { expect, test } from "vitest";
import { betterNode, siblingsOf, type Loaded } from "./balance.js";

const node = (domain: string, links: number, weight = 100, region?: string): Loaded => ({
  ...{ domain, links, weight, region },
});

test("HELLO names the others, those of other regions only for want of others", () => {
  const own = node("a", 5, 100, "north");
  const others = [node("b", 0, 50, "north"), node("c", 0, 200, "south"), node("d", 0, 80, "north")];
  expect(siblingsOf(own, [own, ...others])).toEqual([
    { domain: "d", weight: 80 },
    { domain: "b", weight: 50 },
    { domain: "c", weight: 0 },
  ]);
  expect(siblingsOf(own, [own])).toEqual([]);
});

test("HELLO names no more than fits", () => {
  const many = Array.from({ length: 100 }, (_, i) => node(`n${i}`, 0));
  expect(siblingsOf(node("a", 0), many)).toHaveLength(64);
  const long = Array.from({ length: 10 }, (_, i) => node(`${i}`.padEnd(600, "x"), 0));
  expect(siblingsOf(node("a", 0), long)).toHaveLength(3);
});

test.each([
  ["few links more than the other", [node("a", 12), node("b", 0)], undefined],
  ["far more than the other", [node("a", 40), node("b", 0)], "b"],
  ["many, but few more than the other", [node("a", 1_050), node("b", 1_000)], undefined],
  ["its share by weight", [node("a", 300, 300), node("b", 100)], undefined],
  ["no weight, where others have some", [node("a", 0, 0), node("b", 0)], "b"],
  ["no weight, like the other", [node("a", 0, 0), node("b", 0, 0)], undefined],
  ["no weight, and links elsewhere", [node("a", 9, 0), node("b", 1), node("c", 3)], "b"],
  ["others in another region", [node("a", 900, 100, "x"), node("b", 0, 100, "y")], undefined],
  ["no other", [node("a", 900)], undefined],
] as const)("a node with %s", (_, nodes, expected) => {
  expect(betterNode(nodes[0], nodes, false, 0)).toBe(expected);
});

test("a full node names any other, a far one last", () => {
  const own = node("a", 100, 100, "x");
  const far = node("b", 100, 100, "y");
  expect(betterNode(own, [own, far], true, 0.5)).toBe("b");
  expect(betterNode(own, [own, far, node("c", 200, 100, "x")], true, 0.5)).toBe("c");
  expect(betterNode(own, [own], true, 0.5)).toBeUndefined();
});

test("many clients are sent to the nodes by their room", () => {
  const nodes = [node("a", 300), node("b", 0), node("c", 50)];
  const sent = Array.from({ length: 1_000 }, (_, i) => betterNode(nodes[0]!, nodes, false, i / 1_000));
  const to = (domain: string): number => sent.filter((each) => each === domain).length;
  // The share is 116 links: b lacks 116, c lacks 66.
  expect(to("b")).toBeGreaterThan(600);
  expect(to("c")).toBeGreaterThan(330);
  expect(to("b") + to("c")).toBe(1_000);
});

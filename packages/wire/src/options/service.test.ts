import { describe, expect, it } from "vitest";
import {
  formatNode,
  grantWindow,
  isPattern,
  isServiceName,
  matchesPattern,
  MAX_WINDOW_MS,
  parseNode,
  parsePattern,
} from "./service.js";

describe("a node id", () => {
  it("splits at its slash", () => {
    for (const text of ["alice@example.org/temp", "example.org/a.b-c_9", `é@ü.example/${"x".repeat(64)}`]) {
      expect(formatNode(parseNode(text))).toBe(text);
    }
    expect(parseNode("alice@example.org/temp")).toEqual({ owner: "alice@example.org", name: "temp" });
  });

  it.each([
    "",
    "/",
    "temp",
    "/temp",
    "a@b/",
    "a@b/c/d",
    "a@b/ü",
    "a@b/c d",
    "a@b/c\n",
    `a@b/${"x".repeat(65)}`,
  ])("is not %j", (text) => {
    expect(() => parseNode(text)).toThrow("is not a node id");
  });

  it("is never a pattern, which ends with `*` behind the beginning of a name, or none", () => {
    expect(parsePattern("alice@example.org/*")).toEqual({ owner: "alice@example.org", prefix: "" });
    expect(parsePattern("alice@example.org/t.1*")).toEqual({ owner: "alice@example.org", prefix: "t.1" });
    expect(parsePattern(`a@b/${"x".repeat(64)}*`).prefix).toHaveLength(64);
    for (const text of [
      "*",
      "/*",
      "a@b*",
      "a@b/t",
      "a@b/t**",
      "a@b/*t",
      "a@b/t*x",
      "a@b/c/*",
      "a@b/c/t*",
      "a@b/ü*",
    ])
      expect(() => parsePattern(text), text).toThrow("neither a node id nor a pattern");
    expect(() => parsePattern(`a@b/${"x".repeat(65)}*`)).toThrow("neither");
    expect(["a@b/t*", "a@b/*", "a@b/t"].map(isPattern)).toEqual([true, true, false]);
  });

  it("matches a pattern of its owner whose prefix its name begins with", () => {
    const matches = (pattern: string, node: string): boolean =>
      matchesPattern(parsePattern(pattern), parseNode(node));
    expect(matches("a@b/t*", "a@b/t")).toBe(true);
    expect(matches("a@b/t*", "a@b/temp")).toBe(true);
    expect(matches("a@b/*", "a@b/temp")).toBe(true);
    expect(matches("a@b/t*", "a@b/T1")).toBe(false);
    expect(matches("a@b/temp*", "a@b/t")).toBe(false);
    expect(matches("a@b/t*", "c@b/temp")).toBe(false);
    expect(matches("a@b/.*", "a@b/temp")).toBe(false);
  });

  it("quotes little of a long one", () => {
    expect(() => parseNode("x".repeat(1e6))).toThrow(/^.{0,400}$/su);
  });

  it("has a name of a bounded set", () => {
    expect(["a", "A.9_-", "x".repeat(64)].every(isServiceName)).toBe(true);
    expect(["", "a/b", "a b", "ä", "x".repeat(65), "a\n"].some(isServiceName)).toBe(false);
  });
});

describe("grantWindow", () => {
  it.each([
    [0, 0],
    [-0, 0],
    [0.1, 100],
    [1, 100],
    [100, 100],
    [100.5, 200],
    [101, 200],
    [201, 500],
    [501, 1_000],
    [1_001, 2_000],
    [30_000, 50_000],
    [50_001, 100_000],
    [50_000_001, MAX_WINDOW_MS],
    [MAX_WINDOW_MS, MAX_WINDOW_MS],
  ])("of %d is %d", (asked, granted) => {
    expect(grantWindow(asked)).toBe(granted);
    expect(grantWindow(granted)).toBe(granted);
  });

  it.each([-1, NaN, Infinity, MAX_WINDOW_MS + 1])("refuses %d", (asked) => {
    expect(() => grantWindow(asked)).toThrow("is not between 0 and");
  });
});

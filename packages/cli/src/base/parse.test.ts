import { InvalidArgumentError } from "commander";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  collectNodes,
  parseBareJid,
  parseCount,
  formatDuration,
  parseDuration,
  parseInterval,
  parseNumber,
  parseServiceName,
  parseSinceOption,
  parseWindow,
} from "./parse.js";

describe("durations", () => {
  test.each([
    ["0", 0],
    ["0ms", 0],
    ["1ms", 1],
    ["100ms", 100],
    ["1s", 1_000],
    ["0.5s", 500],
    ["1.2345s", 1_235],
    ["2m", 120_000],
    ["1h", 3_600_000],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });
  test("it is shown in its largest whole unit", () => {
    expect([0, 1, 100, 1_000, 1_500, 120_000, 3_600_000].map(formatDuration)).toEqual([
      ...["0", "1ms", "100ms", "1s", "1500ms", "2m", "1h"],
    ]);
  });
  test.each([
    "",
    "1",
    "100",
    "-1s",
    "+1s",
    "1 s",
    "1S",
    "s",
    "1.s",
    ".5s",
    "1e3ms",
    "1d",
    "Infinitys",
    "600h",
    "0x1s",
  ])("%j is refused", (text) => {
    expect(() => parseDuration(text)).toThrow(InvalidArgumentError);
  });
  test("an interval is above 0, a window at most a day", () => {
    expect(() => parseInterval("0")).toThrow("above 0");
    expect(() => parseInterval("0.1ms")).toThrow("above 0");
    expect(parseInterval("1ms")).toBe(1);
    expect(parseWindow("24h")).toBe(86_400_000);
    expect(() => parseWindow("25h")).toThrow("a day");
  });
});

test("--since counts back from now, farther than a timer goes, and not to before 1970", () => {
  const now = Date.UTC(2026, 10, 28);
  vi.spyOn(Date, "now").mockReturnValue(now);
  onTestFinished(() => void vi.restoreAllMocks());
  expect(parseSinceOption("5m")).toEqual({ time: now - 300_000 });
  expect(parseSinceOption("720h")).toEqual({ time: now - 720 * 3_600_000 });
  for (const text of ["9000000h", `${"9".repeat(400)}h`]) expect(parseSinceOption(text)).toEqual({ time: 0 });
  expect(parseSinceOption("first")).toBe("first");
  for (const text of ["0s", "5d", "yesterday", "5 m", "720"])
    expect(() => parseSinceOption(text), text).toThrow("a duration like 5m");
});

test("a duration that is too long is told so", () => {
  expect(parseDuration("596h")).toBe(596 * 3_600_000);
  expect(() => parseDuration("600h")).toThrow("at most 596h");
  expect(() => parseInterval("9999999999h")).toThrow("at most 596h");
});

test("counts are whole and above 0", () => {
  expect(parseCount("1")).toBe(1);
  expect(parseCount("1000000")).toBe(1_000_000);
  for (const text of ["0", "-1", "1.5", "", "x", "1e3", "99999999999999999999"])
    expect(() => parseCount(text), text).toThrow(InvalidArgumentError);
});

test("a number is one that a double holds", () => {
  expect(["0", "0.5", "1e3"].map(parseNumber)).toEqual([0, 0.5, 1_000]);
  for (const text of ["-1", "x", "1e999", "9".repeat(400)])
    expect(() => parseNumber(text), text).toThrow(InvalidArgumentError);
});

test("names, nodes and JIDs", () => {
  expect(parseServiceName("temp-1.a_B")).toBe("temp-1.a_B");
  for (const text of ["", "a/b", "a b", "x".repeat(65)])
    expect(() => parseServiceName(text), text).toThrow(InvalidArgumentError);
  expect(collectNodes("bob@example.org/*", undefined)).toEqual(["bob@example.org/*"]);
  expect(collectNodes("bob@example.org/t*", undefined)).toEqual(["bob@example.org/t*"]);
  expect(() => collectNodes("bob@example.org/t*p", undefined)).toThrow(InvalidArgumentError);
  expect(() => collectNodes("/*", undefined)).toThrow(InvalidArgumentError);
  const first = collectNodes("alice@example.org/temp", undefined);
  expect(collectNodes("bob@example.org/temp", first)).toEqual([
    "alice@example.org/temp",
    "bob@example.org/temp",
  ]);
  expect(() => collectNodes("alice@example.org/temp", first)).toThrow("twice");
  for (const text of ["temp", "alice@example.org", "alice@example.org/", "a@b/c/d"])
    expect(() => collectNodes(text, undefined), text).toThrow(InvalidArgumentError);
  expect(parseBareJid("alice@example.org")).toBe("alice@example.org");
  for (const text of ["alice", "@example.org", "alice@", "alice@example.org/phone", "a@b c"])
    expect(() => parseBareJid(text), text).toThrow(InvalidArgumentError);
});

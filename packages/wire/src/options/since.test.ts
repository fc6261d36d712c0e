import { expect, test } from "vitest";
import { formatSince, parseSince, type Since } from "./since.js";

test.each<[string, Since]>([
  ["first", "first"],
  ["12:7", { epoch: 12, offset: 7 }],
  ["4294967295:0", { epoch: 4_294_967_295, offset: 0 }],
  ["2026-11-24T12:00:00.000Z", { time: Date.UTC(2026, 10, 24, 12) }],
])("%s is read and written", (text, since) => {
  expect(parseSince(text)).toEqual(since);
  expect(formatSince(since)).toBe(text);
});

test("a time may have an offset, or none of day", () => {
  expect(parseSince("2026-11-24T13:00:00+01:00")).toEqual(parseSince("2026-11-24T12:00:00.000Z"));
  expect(parseSince("2026-11-24")).toEqual({ time: Date.UTC(2026, 10, 24) });
});

test.each([
  "",
  "last",
  "-1:2",
  "1:",
  "1:99999999999999999",
  "9007199254740993:1",
  "12",
  "2026-13-01",
  "2026-02-30",
  "2026-02-29T12:00:00Z",
  "2026-04-31T00:00:00+02:00",
  "yesterday",
  "1:2:3",
])("%s is refused", (text) => {
  expect(() => parseSince(text)).toThrow(expect.objectContaining({ code: "invalid-options" }));
});

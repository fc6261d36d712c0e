import { expect, test } from "vitest";
import { FORMS, type Form } from "../rivals/forms.js";
import type { Row } from "./measurement.js";
import { formatVerdict } from "./report.js";

function rowsOf(service: string, bytes: Record<Form, number>, quoteEscapeBytes = 0): Row[] {
  return FORMS.map((form) => ({
    service,
    form,
    windowMs: service === "*" ? null : 1_000,
    updates: 10,
    lost: 0,
    bytesDown: bytes[form] * 10 + (form === "stanzapack" ? 0 : quoteEscapeBytes),
    bytesUp: 0,
    bytesPerUpdate: bytes[form],
    quoteEscapeBytes: form === "stanzapack" ? 0 : quoteEscapeBytes,
  }));
}

test("says first where JSON is smaller", () => {
  const rows = [
    ...rowsOf("cpu", { stanzapack: 10, "json-body": 130, "json-batch": 20 }),
    ...rowsOf("now-and-then", { stanzapack: 200, "json-body": 160, "json-batch": 210 }),
    ...rowsOf("*", { stanzapack: 50, "json-body": 150, "json-batch": 40 }),
  ];
  expect(formatVerdict(rows)).toEqual([
    "JSON is smaller, in bytes per update:",
    "  now-and-then: json-body 160; Stanzapack 200, 25 % more",
    "Stanzapack is smaller, in bytes per update:",
    "  cpu: 10.0; json-body 130 (13.0 times), json-batch 20.0 (2.0 times)",
    "  now-and-then: 200; json-batch 210 (1.1 times)",
    "All services together: Stanzapack 50.0 bytes per update; json-body 150 (3.0 times), json-batch 40.0 (0.8 times).",
  ]);
});

test("says of a compressed stream what the counter and subscribing take", () => {
  const rows = rowsOf("now-and-then", { stanzapack: 32, "json-body": 27, "json-batch": 33 });
  expect(formatVerdict(rows, true, 15).slice(0, 3)).toEqual([
    "JSON is smaller, in bytes per update:",
    "  now-and-then: json-body 27.0; Stanzapack 32.0, 19 % more",
    expect.stringContaining("now-and-then: 1.5 of our bytes are a share of subscribing"),
  ]);
  const close = rowsOf("now-and-then", { stanzapack: 30, "json-body": 27, "json-batch": 33 });
  expect(formatVerdict(close, true, 15)[2]).toContain("by at most 3.0 bytes: our stanzas have a counter");
});

test("compares without what the server adds to quotes, and says so", () => {
  const rows = [
    ...rowsOf("cpu", { stanzapack: 10, "json-body": 20, "json-batch": 30 }, 1_000),
    ...rowsOf("*", { stanzapack: 10, "json-body": 20, "json-batch": 30 }, 1_000),
  ];
  const lines = formatVerdict(rows);
  expect(lines[0]).toBe("JSON is smaller nowhere in this run.");
  expect(lines).toContain("  cpu: 10.0; json-body 20.0 (2.0 times), json-batch 30.0 (3.0 times)");
  expect(lines[lines.length - 1]).toContain("2,000 bytes");
});

test("says nothing about what was not measured", () => {
  const rows = rowsOf("cpu", { stanzapack: 10, "json-body": 20, "json-batch": 30 }).map((row) => ({
    ...row,
    updates: 0,
    bytesPerUpdate: null,
  }));
  expect(formatVerdict(rows)).toEqual(["JSON is smaller nowhere in this run."]);
});

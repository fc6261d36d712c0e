import { expect, test } from "vitest";
import { FORMS, type Form } from "../rivals/forms.js";
import type { Row } from "./measurement.js";
import { formatReport, formatServices, formatVerdict } from "./report.js";

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

const RUN = { transport: "tcp", compress: false, rest: 0 } as const;

test("says first where JSON is smaller", () => {
  const rows = [
    ...rowsOf("cpu", { stanzapack: 10, "json-body": 130, "json-batch": 20 }),
    ...rowsOf("now-and-then", { stanzapack: 200, "json-body": 160, "json-batch": 210 }),
    ...rowsOf("*", { stanzapack: 50, "json-body": 150, "json-batch": 40 }),
  ];
  expect(formatVerdict(rows, RUN)).toEqual([
    "JSON is smaller, in bytes per update:",
    "  now-and-then: json-body 160; Stanzapack 200, 25 % more",
    "All services: Stanzapack takes 50.0 bytes per update,",
    "  json-body 150 (3.0 times), json-batch 40.0 (0.8 times).",
    "Nothing was lost.",
  ]);
});

test("says what was lost, and in which form", () => {
  const rows = rowsOf("cpu", { stanzapack: 10, "json-body": 130, "json-batch": 20 });
  const lossy = rows.map((row) => ({ ...row, lost: row.form === "json-body" ? 3 : 0 }));
  expect(formatVerdict(lossy, RUN)).toContain("Lost: cpu 3 (json-body).");
});

test("says of a compressed stream what the counter and subscribing take", () => {
  const rows = rowsOf("now-and-then", { stanzapack: 32, "json-body": 27, "json-batch": 33 });
  expect(formatVerdict(rows, { ...RUN, compress: true, rest: 0.05 }).slice(0, 3)).toEqual([
    "JSON is smaller, in bytes per update:",
    "  now-and-then: json-body 27.0; Stanzapack 32.0, 19 % more",
    expect.stringContaining("now-and-then: 1.6 of our bytes are a share of subscribing"),
  ]);
  const close = rowsOf("now-and-then", { stanzapack: 30, "json-body": 27, "json-batch": 33 });
  expect(formatVerdict(close, { ...RUN, compress: true, rest: 0.05 })[2]).toContain(
    "by at most 3.0 bytes: our stanzas",
  );
});

test("says of BOSH why the form that sends most may win with a rare value", () => {
  const rows = rowsOf("now-and-then", { stanzapack: 530, "json-body": 444, "json-batch": 582 });
  expect(formatVerdict(rows, { ...RUN, transport: "bosh" })[2]).toContain(
    "A request of BOSH takes everything",
  );
  expect(formatVerdict(rows, RUN)[2]).not.toContain("BOSH");
});

test("a report compares without what the server adds to quotes, says so once, and fits 80 columns", () => {
  const long = { stanzapack: 12_345, "json-body": 45_678, "json-batch": 45_678 };
  const rows = [
    ...rowsOf("now-and-then", long, 1_000),
    ...rowsOf("cpu", { stanzapack: 10, "json-body": 20, "json-batch": 9 }, 1_000),
    ...rowsOf("*", { stanzapack: 10, "json-body": 20, "json-batch": 30 }, 1_000),
  ];
  const result = { rows, rest: 0.1, elapsedMs: 60_000, framesAfterStop: 0, silenceMs: 1_000 };
  const options = { server: "ejabberd", transport: "websocket", compress: true, for: undefined } as const;
  const lines = formatReport(result, { ...options, json: false }).split("\n");
  expect(lines.filter((line) => line.includes("2,000 bytes"))).toHaveLength(1);
  expect(lines.find((line) => line.startsWith("│ all "))).toMatch(/20\.0 \(2\.0×\)/);
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
});

test("says nothing about what was not measured", () => {
  const rows = rowsOf("cpu", { stanzapack: 10, "json-body": 20, "json-batch": 30 }).map((row) => ({
    ...row,
    updates: 0,
    bytesPerUpdate: null,
  }));
  expect(formatVerdict(rows, RUN)).toEqual(["JSON is smaller nowhere in this run.", "Nothing was lost."]);
  expect(formatServices(rows)).not.toMatch(/NaN|undefined|×/);
});

import { gunzipSync, gzipSync } from "node:zlib";
import type { Value } from "@stanzapack/wire";
import { describe, expect, test } from "vitest";
import { formatBoshAnswer, formatJsonStanza, namespaced, readPayload, unescapeText } from "./envelope.js";
import { Estimator, type Cut, type EstimateRow } from "./estimator.js";
import { FORMS, type Form } from "./forms.js";
import type { Compression, Transport } from "./hops.js";

async function estimate(
  values: readonly Value[],
  cuts: readonly Cut[],
  at?: (index: number) => number,
): Promise<EstimateRow[]> {
  const estimator = new Estimator({ workload: "test", cuts, profile: "default" });
  for (const [index, value] of values.entries()) await estimator.add(value, at?.(index));
  return estimator.finish();
}

const find = (
  rows: readonly EstimateRow[],
  ...[transport, compression, form, size]: [Transport, Compression, Form, number]
): EstimateRow | undefined =>
  rows.find(
    (row) =>
      row.transport === transport &&
      row.compression === compression &&
      row.form === form &&
      (row.batch ?? row.windowMs) === size,
  );

const COUNT = 40;
const ints = Array.from({ length: COUNT }, (_, i) => 100 + ((i * 7) % 10));

test("gives a row for each cut, hop and form", async () => {
  const rows = await estimate(ints, [{ batch: 1 }, { batch: 10 }]);
  expect(
    rows.map(({ batch, transport, compression, form }) => [batch, transport, compression, form]),
  ).toEqual(
    [1, 10].flatMap((batch) =>
      [
        ["tcp", "none"],
        ["tcp", "zlib"],
        ["websocket", "none"],
        ["bosh", "none"],
        ["bosh", "gzip"],
      ].flatMap((hop) => FORMS.map((form) => [batch, ...hop, form])),
    ),
  );
  expect(rows[0]).toEqual({
    ...{ workload: "test", updates: COUNT, batch: 1, windowMs: null, transport: "tcp", compression: "none" },
    ...{ form: "json-body", profile: "default", bytes: COUNT * 105, bytesPerUpdate: 105 },
  });
});

test("counts the envelope of each hop", async () => {
  const rows = await estimate(ints, [{ batch: 10 }]);
  const stanza = formatJsonStanza(JSON.stringify(ints.slice(0, 10)));
  const stanzas = COUNT / 10;
  expect(find(rows, "tcp", "none", "json-batch", 10)?.bytes).toBe(stanzas * stanza.length);
  expect(find(rows, "websocket", "none", "json-batch", 10)?.bytes).toBe(stanzas * (stanza.length + 22));
  const answer = formatBoshAnswer(stanza);
  expect(answer).toBe(`<body xmlns='http://jabber.org/protocol/httpbind'>${namespaced(stanza)}</body>`);
  expect(find(rows, "bosh", "none", "json-batch", 10)?.bytes).toBe(stanzas * (86 + answer.length));
  const gzipped = gzipSync(answer, { level: 6 });
  expect(gunzipSync(gzipped).toString()).toBe(answer);
  expect(find(rows, "bosh", "gzip", "json-batch", 10)?.bytes).toBe(stanzas * (86 + 13 + gzipped.length));
});

test("a short answer of BOSH is not compressed", async () => {
  const rows = await estimate([1], [{ batch: 1 }]);
  const plain = find(rows, "bosh", "none", "json-body", 1);
  expect(plain?.bytes).toBeLessThan(86 + 220);
  expect(find(rows, "bosh", "gzip", "json-body", 1)?.bytes).toBe(plain?.bytes);
});

describe("windows", () => {
  test("0 sends each update at once, others what falls into one", async () => {
    const rows = await estimate(ints, [{ windowMs: 0 }, { windowMs: 1_000 }], (i) => 5_000_000 + i * 250);
    const alone = await estimate(ints, [{ batch: 1 }, { batch: 4 }]);
    for (const form of ["json-body", "json-batch", "msgpack-ibb"] as const) {
      const bytes = (from: EstimateRow[], size: number): number | undefined =>
        find(from, "tcp", "none", form, size)?.bytes;
      expect(bytes(rows, 0)).toBe(bytes(alone, 1));
      expect(bytes(rows, 1_000)).toBe(bytes(alone, 4));
    }
  });

  test("need times, and take them as they come", async () => {
    await expect(estimate([1], [{ windowMs: 0 }])).rejects.toMatchObject({ code: "usage" });
    const rows = await estimate(ints, [{ windowMs: 100 }], (i) => (i % 2 === 0 ? 1e9 : 0));
    expect(find(rows, "tcp", "none", "stanzapack", 100)?.updates).toBe(COUNT);
  });
});

test("what is too long for a stanza goes in several, read back all the same", async () => {
  const lines = Array.from({ length: 30 }, (_, i) => String.fromCharCode(97 + (i % 26)).repeat(20_000));
  const rows = await estimate(lines, [{ batch: 30 }]);
  const json = find(rows, "tcp", "none", "json-batch", 30)?.bytes ?? 0;
  // Three stanzas of at most 240 KiB.
  expect(json).toBe(3 * formatJsonStanza("[]").length + 30 * 20_003 - 3);
  expect(find(rows, "tcp", "none", "msgpack-ibb", 30)?.bytes).toBeGreaterThan((30 * 20_003 * 4) / 3);
});

test("values that JSON changes or that need escapes do not disturb it", async () => {
  const values: Value[] = [-0, 1e21, { b: 1, a: "<&>]]>\u{1f600}\"'" }, [], null, "x".repeat(3_000)];
  const rows = await estimate(values, [{ batch: 2 }]);
  expect(rows[0]?.updates).toBe(values.length);
});

test("what cannot be published is refused", () => {
  const estimator = new Estimator({ workload: "test", cuts: [{ batch: 1 }], profile: "default" });
  expect(() => estimator.add("x".repeat(50_000))).toThrow(expect.objectContaining({ code: "too-large" }));
});

test("no updates, no rows", async () => {
  expect(await estimate([], [{ batch: 1 }])).toEqual([]);
});

test("escapes are taken back", () => {
  const text = `a<b & "c" > ]]> &lt;`;
  expect(unescapeText(readPayload(formatJsonStanza(text)))).toBe(text);
});

test.each<[object, string]>([
  [{ cut: [] }, "`cut` is not an option; did you mean `cuts`?"],
  [{ cuts: [] }, "`cuts` must be a list of cuts, 1 to 1,000 of them"],
  [{ cuts: [{ batch: 0 }] }, "`cuts.0.batch` must be a whole number of updates from 1"],
  [{ cuts: [{ windowMs: 1.5 }] }, "`cuts.0.windowMs` must be a whole number of ms"],
  [{ cuts: [{ window: 1 }] }, "`cuts.0` must be { batch"],
  [{ profile: "tiny" }, '`profile` must be "default" or "compact", not "tiny"'],
])("options that make no sense are refused: %o", (options, text) => {
  const make = (): unknown =>
    new Estimator({ workload: "test", cuts: [{ batch: 1 }], profile: "default", ...options } as never);
  expect(make).toThrow(
    expect.objectContaining({ code: "invalid-options", message: expect.stringContaining(text) }) as Error,
  );
});

test("fields that are undefined are left out, as in JSON", async () => {
  const given = { a: 1, b: undefined, c: [undefined] } as unknown as Value;
  const rows = await estimate([given, given], [{ batch: 2 }]);
  expect(rows.map(({ form }) => form)).toContain("stanzapack");
});

import { gunzipSync, gzipSync } from "node:zlib";
import type { Value } from "@stanzapack/wire";
import { leanBody } from "@stanzapack/xmpp";
import { describe, expect, test } from "vitest";
import {
  ACK_REQUEST,
  formatBoshAnswer,
  formatDataStanza,
  formatJsonStanza,
  formatLeanStanza,
  LINK_ENVELOPE,
  namespaced,
  readId,
  readPayload,
  unescapeText,
} from "./envelope.js";
import { Estimator, type Cut, type EstimateRow } from "./estimator.js";
import { FORMS, type Form } from "./forms.js";
import type { Compression, Transport } from "./hops.js";

async function estimate(
  values: readonly Value[],
  cuts: readonly Cut[],
  at?: (index: number) => number,
): Promise<EstimateRow[]> {
  const estimator = new Estimator({ workload: "test", cuts });
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
    ...{ workload: "test", updates: COUNT, batch: 1, windowMs: null, delayMs: null },
    ...{ transport: "tcp", compression: "none", form: "json-body", envelope: null },
    ...{ bytes: COUNT * 131, bytesPerUpdate: 131 },
  });
});

test("counts the envelope of each hop", async () => {
  const rows = await estimate(ints, [{ batch: 10 }]);
  const stanza = formatJsonStanza(JSON.stringify(ints.slice(0, 10)));
  const stanzas = COUNT / 10;
  expect(find(rows, "tcp", "none", "json-batch", 10)?.bytes).toBe(
    stanzas * (stanza.length + ACK_REQUEST.length),
  );
  expect(find(rows, "websocket", "none", "json-batch", 10)?.bytes).toBe(
    stanzas * (stanza.length + 22 + ACK_REQUEST.length),
  );
  const answer = formatBoshAnswer(stanza);
  expect(answer).toBe(`<body xmlns='http://jabber.org/protocol/httpbind'>${namespaced(stanza)}</body>`);
  expect(find(rows, "bosh", "none", "json-batch", 10)?.bytes).toBe(stanzas * (86 + answer.length));
  const gzipped = gzipSync(answer, { level: 6 });
  expect(gunzipSync(gzipped).toString()).toBe(answer);
  expect(find(rows, "bosh", "gzip", "json-batch", 10)?.bytes).toBe(stanzas * (86 + 13 + gzipped.length));
});

test("counts with the addresses and the language that it is given", async () => {
  const envelope = { from: "c", to: "a@b/d", sid: "k3Zq", lang: "en" };
  expect(formatDataStanza("AA==", 70_000, envelope)).toBe(
    "<message xml:lang='en' from='c' to='a@b/d' type='headline'>" +
      "<data xmlns='http://jabber.org/protocol/ibb' sid='k3Zq' seq='4464'>AA==</data></message>",
  );
  const bytes = async (of: typeof envelope | undefined): Promise<number> => {
    const estimator = new Estimator({
      ...{ workload: "test", cuts: [{ batch: 1 }] },
      ...(of && { envelope: of }),
    });
    await estimator.add(1);
    return find(await estimator.finish(), "tcp", "none", "stanzapack", 1)?.bytes ?? 0;
  };
  const less = formatDataStanza("", 0, LINK_ENVELOPE).length - formatDataStanza("", 0, envelope).length;
  expect(await bytes(undefined)).toBe((await bytes(envelope)) + less);
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
  expect(json).toBe(3 * (formatJsonStanza("[]").length + ACK_REQUEST.length) + 30 * 20_003 - 3);
  expect(find(rows, "tcp", "none", "msgpack-ibb", 30)?.bytes).toBeGreaterThan((30 * 20_003 * 4) / 3);
});

test("values that JSON changes or that need escapes do not disturb it", async () => {
  const values: Value[] = [-0, 1e21, { b: 1, a: "<&>]]>\u{1f600}\"'" }, [], null, "x".repeat(3_000)];
  const rows = await estimate(values, [{ batch: 2 }]);
  expect(rows[0]?.updates).toBe(values.length);
});

describe("services", () => {
  const feed = async (cut: Cut, serviceOf: (index: number) => string): Promise<Estimator> => {
    const estimator = new Estimator({ workload: "test", cuts: [cut] });
    for (let i = 0; i < COUNT; i++)
      await estimator.add(ints[i >> 1] ?? 0, 5_000_000 + (i >> 1) * 250, serviceOf(i));
    return estimator;
  };

  test("have batches of their own on one link", async () => {
    const estimator = await feed({ batch: 10 }, (i) => `s${i % 2}`);
    const rows = await estimator.finish();
    expect([estimator.serviceCount, estimator.intervalMs]).toEqual([2, 250]);
    const alone = formatJsonStanza(JSON.stringify(ints.slice(0, 10))).length + ACK_REQUEST.length;
    const row = find(rows, "tcp", "none", "json-batch", 10);
    expect([row?.updates, row?.bytes, row?.delayMs]).toEqual([COUNT, 4 * alone, 2_500]);
  });

  test("leave together at a window's end, each in a stanza of its own", async () => {
    const rows = await (await feed({ windowMs: 1_000 }, (i) => `s${i % 2}`)).finish();
    const alone = formatJsonStanza(JSON.stringify(ints.slice(0, 4))).length + ACK_REQUEST.length;
    expect(find(rows, "tcp", "none", "json-batch", 1_000)).toMatchObject({
      bytes: 10 * alone,
      delayMs: 1_000,
    });
  });

  test("are bounded", async () => {
    const estimator = new Estimator({ workload: "test", cuts: [{ batch: 1 }] });
    for (let i = 0; i < 500; i++) await estimator.add(1, undefined, `${i}`);
    expect(() => estimator.add(1, undefined, "one more")).toThrow("more than 500 services");
  });
});

test("values without bound in depth are refused", () => {
  const estimator = new Estimator({ workload: "test", cuts: [{ batch: 1 }] });
  const deep = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`) as Value;
  expect(() => estimator.add(deep)).toThrow(expect.objectContaining({ name: "StanzapackError" }));
});

test("what cannot be published is refused", () => {
  const estimator = new Estimator({ workload: "test", cuts: [{ batch: 1 }] });
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
])("options that make no sense are refused: %o", (options, text) => {
  const make = (): unknown => new Estimator({ workload: "test", cuts: [{ batch: 1 }], ...options });
  expect(make).toThrow(
    expect.objectContaining({ code: "invalid-options", message: expect.stringContaining(text) }) as Error,
  );
});

test("fields that are undefined are left out, as in JSON", async () => {
  const given = { a: 1, b: undefined, c: [undefined] } as unknown as Value;
  const rows = await estimate([given, given], [{ batch: 2 }]);
  expect(rows.map(({ form }) => form)).toContain("stanzapack");
});

describe("lean stanzas", () => {
  test("carry a small value for less than a JSON body, and other forms have none", async () => {
    // The workload `int` of the benchmarks.
    let state = 1;
    let x = 500;
    const values = Array.from({ length: 600 }, () => {
      state = (state * 1_664_525 + 1_013_904_223) >>> 0;
      return { x: (x += Math.round((state / 2 ** 32 - 0.5) * 6)) };
    });
    const rows = await estimate(values, [{ batch: 1 }]);
    const ours = find(rows, "tcp", "none", "stanzapack", 1);
    const json = find(rows, "tcp", "none", "json-body", 1);
    expect((ours?.bytes ?? 0) / (json?.bytes ?? 0)).toBeLessThanOrEqual(0.86);
    for (const { form, envelope } of rows) expect(envelope).toBe(form === "stanzapack" ? "lean" : null);
  });

  test("do not carry a block that is too large for one", async () => {
    const noise = Buffer.from(
      Array.from({ length: 3_000 }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 24) & 0xff),
    );
    const rows = await estimate([noise.toString("base64")], [{ batch: 1 }]);
    expect(find(rows, "tcp", "none", "stanzapack", 1)?.envelope).toBe("ibb");
  });

  test("hold one chained body, or whole frames", () => {
    const block = { base64: "kxIBxAGl", pad: 0, body: leanBody("pQ=="), label: 1 };
    expect(formatLeanStanza(block, 0x123, LINK_ENVELOPE)).toBe(
      "<message from='streams.example.org' to='bob@example.org/phone' type='headline' id='kESpT'/>",
    );
    expect(readId(formatLeanStanza({ ...block, label: 15 }, 0, LINK_ENVELOPE) ?? "")).toBe("k/AAkxIBxAGl");
  });
});

import { expect, test } from "vitest";
import { createRow, sortWireRows, type Measured, type WireRow } from "./rows.js";

const BYTES = { bytesDown: 900, bytesUp: 100, tlsDown: 1_000, tlsUp: 120, wireDown: 1_500, wireUp: 400 };
const MEASURED: Measured = {
  hop: { server: "ejabberd", transport: "tcp", compression: "none" },
  workload: "mixed3",
  windowMs: 100,
  form: "json-batch",
  published: [
    { hashes: [1, 2, 3, 4], at: [10, 20, 30, 40] },
    { hashes: [7, 7], at: [10, 20] },
  ],
  result: {
    ...BYTES,
    handshakeBytes: 5_000,
    envelope: null,
    quoteEscapeBytes: 50,
    feeds: [
      { hashes: [2, 4], at: [25, 41], offsets: null, conflated: 0 },
      { hashes: [7, 7], at: [13, 22], offsets: null, conflated: 0 },
    ],
  },
};

test("counts over all services of the workload, between the first and the last that came", () => {
  expect(createRow(MEASURED)).toEqual({
    ...{ server: "ejabberd", transport: "tcp", compression: "none" },
    ...{ workload: "mixed3", windowMs: 100, form: "json-batch", updates: 5, lost: 1 },
    ...BYTES,
    ...{ handshakeBytes: 5_000, envelope: null, ageP50Ms: 3, ageP99Ms: 5, quoteEscapeBytes: 50 },
  });
});

test("nothing came: no ages", () => {
  const feeds = [{ hashes: [], at: [], offsets: [], conflated: 0 }];
  expect(createRow({ ...MEASURED, result: { ...MEASURED.result, feeds } })).toMatchObject({
    ...{ updates: 0, lost: 0, ageP50Ms: null, ageP99Ms: null },
  });
});

test("sorts by every axis, windows by their length", () => {
  const row = createRow(MEASURED);
  const of = (changes: Partial<WireRow>): WireRow => ({ ...row, ...changes });
  const sorted = [
    of({ server: "prosody", workload: "int", windowMs: 0, form: "stanzapack" }),
    of({ server: "prosody", workload: "int", windowMs: 0, form: "json-body" }),
    of({ server: "prosody", workload: "int", windowMs: 1_000, form: "stanzapack" }),
    of({ server: "prosody", workload: "obj", windowMs: 0 }),
    of({ server: "prosody", compression: "zlib", workload: "int", windowMs: 0 }),
    of({ server: "prosody", transport: "bosh", workload: "int", windowMs: 0 }),
    of({ workload: "int" }),
  ];
  expect(sortWireRows([...sorted].reverse())).toEqual(sorted);
});

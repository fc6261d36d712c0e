import { expect, test } from "vitest";
import { formatCodecReport } from "./report.js";
import { runCodec } from "./run.js";
import { judgeMeans, judgeRules } from "./targets.js";

const COLUMNS = [
  ...["workload", "batch", "payloadBytesPerUpdate", "frameBytesPerUpdate", "rivalBytesPerUpdate"],
  ...[
    "frameZlibBytesPerUpdate",
    "rivalZlibBytesPerUpdate",
    "brotliBytesPerUpdate",
    "xzBytesPerUpdate",
    "envelope",
    "keyframes",
  ],
  ...[
    "numericFields",
    "encodeUsPerUpdate",
    "decodeUsPerUpdate",
    "jsonDeflateUsPerUpdate",
    "jsonInflateUsPerUpdate",
  ],
  "memoryBytes",
];

test("gives a row for each workload and batch, and the means last", async () => {
  const told: string[] = [];
  const rows = await runCodec({
    ...{ workloads: ["usemp", "int"], batches: [10, 1], quick: true },
    onProgress: (text) => told.push(text),
  });
  expect(rows.map(({ workload, batch }) => `${workload} ${batch}`)).toEqual(
    ["int", "usemp", "geomean"].flatMap((id) => [10, 1].map((batch) => `${id} ${batch}`)),
  );
  for (const row of rows) expect(Object.keys(row)).toEqual(COLUMNS);
  const [int, , usemp, , mean] = rows;
  expect(int).toMatchObject({ keyframes: 1, numericFields: 1 });
  expect(mean?.frameBytesPerUpdate).toBeCloseTo(
    Math.sqrt((int?.frameBytesPerUpdate ?? 0) * (usemp?.frameBytesPerUpdate ?? 0)),
  );
  expect(told.at(-1)).toMatch(/^usemp: \d+ % done; .+ left$/);

  // Two of the 22 workloads cannot meet a target, but can miss one.
  expect(judgeMeans(rows).every(({ met }) => met === undefined)).toBe(true);
  expect(judgeRules(rows).map(({ met }) => met)).toEqual([undefined, true, undefined, undefined]);
  const report = formatCodecReport(rows);
  expect(report).toMatch(/^JSON is smaller, in bytes per update:\n {2}int, 1 a stanza/);
  expect(report).toContain("✓ one int a stanza under zlib: at most 19 bytes");
});

test("an interruption gives the rows so far, and no workload is wrong usage", async () => {
  expect(await runCodec({ workloads: ["int"], quick: true, signal: AbortSignal.abort() })).toEqual([]);
  await expect(runCodec({ workloads: [], quick: true })).rejects.toMatchObject({ code: "usage" });
});

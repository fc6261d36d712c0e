import Table from "cli-table3";
import { formatBytes } from "../demo/format.js";
import { explainByCounter } from "../rivals/counter.js";
import { isLarge } from "../workloads/rows.js";
import { formatLargeValues } from "./large-report.js";
import { groups } from "./means.js";
import type { CodecRow } from "./rows.js";
import { markOf } from "../measure/verdict.js";
import { judgeMeans, judgeRules, type MeanVerdict } from "./targets.js";

/** The report: where JSON is smaller, the targets and whether they are met, then all rows. */
export function formatCodecReport(rows: readonly CodecRow[]): string {
  const workloads = rows.filter(({ workload }) => workload !== "geomean");
  if (workloads.length === 0) return "Nothing was measured.";
  return [
    ...formatLosses(workloads),
    "",
    "JSON ÷ Stanzapack in bytes of whole stanzas: geometric mean over the workloads, and its target (above 1: Stanzapack is smaller):",
    formatMeans(judgeMeans(rows)),
    ...judgeRules(rows).map(({ text, met }) => `${markOf(met)} ${text}`),
    "✓ met, ✗ not met, – not fully measured.",
    ...formatLargeValues(workloads),
    ...groups(rows.filter(({ workload }) => !isLarge(workload))).flatMap((group) => {
      const [{ batch }] = group as [CodecRow];
      return ["", `${batch} a stanza: bytes and µs per update`, formatTable(group)];
    }),
    "payload: output of the codec. ours, JSON: whole stanzas. *: JSON is smaller. zlib: the same stanzas in one compressed stream.",
    "brotli 11, xz: all values at once, column by column. µs: processor time from values to frames, and back; of JSON with raw deflate.",
    "KB: memory of the sending end of a lane. envelope: the form in which most of our stanzas travel without compression.",
  ].join("\n");
}

function formatLosses(rows: readonly CodecRow[]): string[] {
  const losses = rows.flatMap((row) => [
    ...describeLoss(row, "no compression", row.frameBytesPerUpdate, row.rivalBytesPerUpdate),
    ...describeLoss(row, "zlib", row.frameZlibBytesPerUpdate, row.rivalZlibBytesPerUpdate),
  ]);
  if (losses.length === 0) return ["JSON is smaller nowhere in this run."];
  return [
    "JSON is smaller, in bytes per update:",
    ...losses.map((text) => `  ${text}`),
    ...explainLosses(rows),
  ];
}

function explainLosses(rows: readonly CodecRow[]): string[] {
  const excesses = rows.flatMap((row) => [
    { excess: row.frameBytesPerUpdate - row.rivalBytesPerUpdate, compressed: false },
    // Only a batch of one update may be larger because of the counter.
    { excess: row.frameZlibBytesPerUpdate - row.rivalZlibBytesPerUpdate, compressed: row.batch === 1 },
  ]);
  return explainByCounter(excesses.filter(({ excess }) => excess > 0));
}

function describeLoss({ workload, batch }: CodecRow, hop: string, ours: number, json: number): string[] {
  if (json >= ours) return [];
  const more = ((ours / json - 1) * 100).toFixed(0);
  const where = `${workload}, ${batch} a stanza, ${hop}`;
  return [`${where}: JSON ${formatBytes(json)}; Stanzapack ${formatBytes(ours)}, ${more} % more`];
}

function formatMeans(verdicts: readonly MeanVerdict[]): string {
  const batches = [...new Set(verdicts.map(({ batch }) => batch))];
  const table = createTable(["compression", ...batches.map((batch) => `${batch} a stanza`)], 1);
  for (const compression of ["none", "zlib"] as const) {
    const own = verdicts.filter((verdict) => verdict.compression === compression);
    const cells = batches.map((batch) => own.find((verdict) => verdict.batch === batch));
    table.push([compression, ...cells.map((cell) => (cell === undefined ? "" : formatMean(cell)))]);
  }
  return table.toString();
}

function formatMean({ ratio, target, met }: MeanVerdict): string {
  return `${ratio.toFixed(2)}${target === undefined ? "" : ` of ${target.toFixed(2)} ${markOf(met)}`}`;
}

function formatTable(rows: readonly CodecRow[]): string {
  const table = createTable(
    [
      ...["workload", "payload", "ours", "JSON", "ours zlib", "JSON zlib", "brotli", "xz"],
      ...["enc µs", "dec µs", "JSON enc", "JSON dec", "keys", "numbers", "KB", "envelope"],
    ],
    1,
  );
  for (const row of rows) {
    const { frameBytesPerUpdate: ours, rivalBytesPerUpdate: json } = row;
    const { frameZlibBytesPerUpdate: oursZlib, rivalZlibBytesPerUpdate: jsonZlib } = row;
    table.push([
      row.workload,
      row.payloadBytesPerUpdate.toFixed(2),
      formatBytes(ours),
      `${json < ours ? "* " : ""}${formatBytes(json)}`,
      formatFine(oursZlib),
      `${jsonZlib < oursZlib ? "* " : ""}${formatFine(jsonZlib)}`,
      row.brotliBytesPerUpdate.toFixed(2),
      row.xzBytesPerUpdate?.toFixed(2) ?? "",
      formatBytes(row.encodeUsPerUpdate),
      formatBytes(row.decodeUsPerUpdate),
      formatBytes(row.jsonDeflateUsPerUpdate),
      formatBytes(row.jsonInflateUsPerUpdate),
      row.keyframes ?? "",
      row.numericFields ?? "",
      row.memoryBytes === null ? "" : (row.memoryBytes / 1_024).toFixed(0),
      row.envelope ?? "",
    ]);
  }
  return table.toString();
}

function formatFine(bytes: number): string {
  return bytes < 10 ? bytes.toFixed(2) : formatBytes(bytes);
}

function createTable(head: readonly string[], texts: number): Table.Table {
  return new Table({
    head: [...head],
    colAligns: head.map((_, index) => (index < texts ? ("left" as const) : ("right" as const))),
    style: { head: [], border: [], compact: true },
  });
}

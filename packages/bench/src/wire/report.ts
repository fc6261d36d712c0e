import Table from "cli-table3";
import { formatBytes } from "../demo/format.js";
import { formatHop, WIRE_FORMS, type WireForm } from "./axes.js";
import type { WireRow } from "./rows.js";

/** Bytes of one cell's forms, per update and both ways. */
interface Cell {
  readonly hop: string;
  readonly name: string;
  readonly workload: string;
  readonly windowMs: number;
  readonly bytes: ReadonlyMap<WireForm, number>;
}

const OURS: WireForm = "stanzapack";
const JSON_FORMS = ["json-body", "json-batch"] as const satisfies readonly WireForm[];

/** The rows for people: where JSON is smaller, then a table for each hop. */
export function formatWireReport(rows: readonly WireRow[]): string {
  if (rows.length === 0) return "Nothing was measured.";
  const onWire = rows.every(({ wireDown }) => wireDown !== null);
  const cells = createCells(rows, onWire);
  const hops = [...new Set(cells.map(({ hop }) => hop))];
  const where = onWire
    ? "of TCP/IP (IP packets with their headers, MTU 1500)"
    : "of the XMPP layer, without TLS and TCP/IP";
  return [
    ...formatVerdict(cells, hops),
    ...hops.flatMap((hop) => {
      const own = cells.filter((cell) => cell.hop === hop);
      return ["", `${hop}: bytes per update, both ways, ${where}`, formatTable(own)];
    }),
    "*: smaller than Stanzapack.",
    ...describeEscapes(rows),
  ].join("\n");
}

function createCells(rows: readonly WireRow[], onWire: boolean): Cell[] {
  const cells = new Map<string, Cell & { readonly bytes: Map<WireForm, number> }>();
  for (const row of rows) {
    const bytes = bytesPerUpdate(row, onWire);
    if (bytes === undefined) continue;
    const { workload, windowMs } = row;
    const hop = formatHop(row);
    const name = `${workload}, window ${formatWindow(windowMs)}`;
    const key = `${hop} ${name}`;
    const cell = cells.get(key) ?? { hop, name, workload, windowMs, bytes: new Map() };
    cells.set(key, cell);
    cell.bytes.set(row.form, bytes);
  }
  return [...cells.values()];
}

/** Without the quotes' escapes, which are the server's and not JSON's, where they are known. */
function bytesPerUpdate(row: WireRow, onWire: boolean): number | undefined {
  if (row.updates === 0) return undefined;
  const { wireDown, wireUp, bytesDown, bytesUp, quoteEscapeBytes } = row;
  const bytes = onWire ? (wireDown ?? 0) + (wireUp ?? 0) : bytesDown + bytesUp;
  return (bytes - (quoteEscapeBytes ?? 0)) / row.updates;
}

function formatTable(cells: readonly Cell[]): string {
  const forms = WIRE_FORMS.filter((form) => cells.some(({ bytes }) => bytes.has(form)));
  const table = new Table({
    head: ["workload", "window", ...forms],
    colAligns: ["left", "right", ...forms.map(() => "right" as const)],
    style: { head: [], border: [], compact: true },
  });
  for (const { workload, windowMs, bytes } of cells) {
    const ours = bytes.get(OURS) ?? 0;
    table.push([
      workload,
      formatWindow(windowMs),
      ...forms.map((form) => {
        const own = bytes.get(form);
        if (own === undefined) return "";
        return `${own < ours ? "* " : ""}${formatBytes(own)}`;
      }),
    ]);
  }
  return table.toString();
}

/** In words, a paragraph for each hop; JSON's wins first. */
function formatVerdict(cells: readonly Cell[], hops: readonly string[]): string[] {
  const compared = cells.filter(({ bytes }) => bytes.has(OURS) && JSON_FORMS.some((form) => bytes.has(form)));
  if (compared.length === 0) return [];
  const losses = compared.flatMap((cell) => describeLosses(cell, JSON_FORMS).map((text) => ({ cell, text })));
  const lines: string[] = [];
  if (losses.length === 0) lines.push("JSON is smaller nowhere in this run.");
  else lines.push("JSON is smaller, in bytes per update:");
  for (const hop of hops) {
    const own = losses.filter(({ cell }) => cell.hop === hop);
    if (own.length > 0) lines.push(`  ${hop}`, ...own.map(({ text }) => `    ${text}`));
  }
  const others = compared.flatMap((cell) =>
    describeLosses(cell, ["msgpack-ibb"]).map((text) => ({ cell, text })),
  );
  if (others.length > 0)
    lines.push("msgpack-ibb is smaller:", ...others.map(({ cell, text }) => `  ${cell.hop}: ${text}`));
  lines.push("Stanzapack against JSON, as the geometric mean over workloads and windows (above 1: smaller):");
  for (const hop of hops) {
    const means = JSON_FORMS.flatMap((form) => {
      const mean = meanRatio(
        compared.filter((cell) => cell.hop === hop),
        form,
      );
      return mean === undefined ? [] : [`${form} ${mean.toFixed(2)} times`];
    });
    if (means.length > 0) lines.push(`  ${hop}: ${means.join(", ")}`);
  }
  return lines;
}

function describeLosses({ name, bytes }: Cell, forms: readonly WireForm[]): string[] {
  const ours = bytes.get(OURS) ?? 0;
  return forms.flatMap((form) => {
    const own = bytes.get(form);
    if (own === undefined || own >= ours) return [];
    const more = ((ours / own - 1) * 100).toFixed(0);
    return [`${name}: ${form} ${formatBytes(own)}; Stanzapack ${formatBytes(ours)}, ${more} % more`];
  });
}

function meanRatio(cells: readonly Cell[], form: WireForm): number | undefined {
  const logs = cells.flatMap(({ bytes }) => {
    const [own, ours] = [bytes.get(form), bytes.get(OURS)];
    return own === undefined || ours === undefined ? [] : [Math.log(own / ours)];
  });
  return logs.length === 0 ? undefined : Math.exp(logs.reduce((a, b) => a + b, 0) / logs.length);
}

function describeEscapes(rows: readonly WireRow[]): string[] {
  const known = rows.some(({ quoteEscapeBytes }) => (quoteEscapeBytes ?? 0) > 0);
  const unknown = rows.some(({ quoteEscapeBytes }) => quoteEscapeBytes === null);
  return [
    ...(known
      ? ["Left out: what the server adds to JSON by writing every quote as &quot; (`quoteEscapeBytes`)."]
      : []),
    ...(unknown ? ["Under compression nobody can tell what that takes: there it is in JSON's figures."] : []),
  ];
}

function formatWindow(windowMs: number): string {
  return windowMs === 0 ? "0" : windowMs % 1_000 === 0 ? `${windowMs / 1_000} s` : `${windowMs} ms`;
}

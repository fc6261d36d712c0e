import Table from "cli-table3";
import { formatBytes } from "../demo/format.js";
import { explainByCounter } from "../rivals/counter.js";
import { formatHop, WIRE_FORMS, type WireForm } from "./axes.js";
import type { WireRow } from "./rows.js";

/** Bytes of one cell's forms, per update and both ways. */
interface Cell {
  readonly hop: string;
  readonly name: string;
  readonly workload: string;
  readonly windowMs: number;
  /** TLS records, which the connection itself carries. */
  readonly bytes: ReadonlyMap<WireForm, number>;
  /** The same in IP packets, if packets were counted. */
  readonly packetBytes: ReadonlyMap<WireForm, number>;
}

const OURS: WireForm = "stanzapack";
const JSON_FORMS = ["json-body", "json-batch"] as const satisfies readonly WireForm[];

/** The report: where JSON is smaller, then a table for each hop. */
export function formatWireReport(rows: readonly WireRow[]): string {
  if (rows.length === 0) return "Nothing was measured.";
  const cells = createCells(rows);
  const hops = [...new Set(cells.map(({ hop }) => hop))];
  const onWire = cells.some(({ packetBytes }) => packetBytes.size > 0);
  return [
    ...formatVerdict(cells, hops),
    ...hops.flatMap((hop) => {
      const own = cells.filter((cell) => cell.hop === hop);
      return ["", `${hop}: bytes per update, both ways, TLS records`, formatTable(own)];
    }),
    ...(onWire
      ? [
          "In brackets: the same in IP packets with their headers, MTU 1500. These figures differ by up to a tenth between runs,",
          "since the system divides the same bytes into more or fewer segments.",
        ]
      : []),
    "*: smaller than Stanzapack.",
    describeLost(rows),
    ...describeEnvelopes(rows),
    ...describeFew(rows),
    ...describeEscapes(rows),
  ].join("\n");
}

/** With this number of updates of a seldom value, the bytes of subscribing do not decide the result. */
const ENOUGH_UPDATES = 300;

function describeFew(rows: readonly WireRow[]): string[] {
  const counts = rows.filter(({ workload }) => workload === "now-and-then").map(({ updates }) => updates);
  const fewest = Math.min(...counts);
  return fewest < ENOUGH_UPDATES
    ? [
        `now-and-then: a cell has only ${fewest} updates, so its figures show the cost of subscribing too; ${ENOUGH_UPDATES} updates take 80 s.`,
      ]
    : [];
}

/** Says where lean stanzas were not used. The figures there are those of In-Band Bytestreams. */
function describeEnvelopes(rows: readonly WireRow[]): string[] {
  const stayed = rows.filter(({ envelope }) => envelope === "ibb");
  const names = [...new Set(stayed.map((row) => `${formatHop(row)}, ${row.workload}`))];
  return names.length === 0 ? [] : [`Stanzapack travelled in In-Band Bytestreams: ${names.join("; ")}.`];
}

function describeLost(rows: readonly WireRow[]): string {
  const losing = rows.filter(({ lost }) => lost > 0);
  if (losing.length === 0) return `${rows.length} rows; no form lost an update.`;
  const told = losing.map((row) => {
    return `${formatHop(row)}, ${row.workload}, window ${formatWindow(row.windowMs)}, ${row.form}: ${row.lost} of ${row.updates}`;
  });
  return `Updates were lost:\n  ${told.join("\n  ")}`;
}

function createCells(rows: readonly WireRow[]): Cell[] {
  interface OpenCell extends Cell {
    readonly bytes: Map<WireForm, number>;
    readonly packetBytes: Map<WireForm, number>;
  }
  const cells = new Map<string, OpenCell>();
  for (const row of rows) {
    if (row.updates === 0) continue;
    const { workload, windowMs, form, wireDown, wireUp } = row;
    const hop = formatHop(row);
    const name = `${workload}, window ${formatWindow(windowMs)}`;
    const key = `${hop} ${name}`;
    const cell = cells.get(key) ?? {
      hop,
      name,
      workload,
      windowMs,
      bytes: new Map(),
      packetBytes: new Map(),
    };
    cells.set(key, cell);
    // Without the quotes' escapes, if they are known: the server adds them, not JSON.
    const perUpdate = (down: number, up: number): number =>
      (down + up - (row.quoteEscapeBytes ?? 0)) / row.updates;
    cell.bytes.set(form, perUpdate(row.tlsDown, row.tlsUp));
    if (wireDown !== null && wireUp !== null) cell.packetBytes.set(form, perUpdate(wireDown, wireUp));
  }
  return [...cells.values()];
}

function formatTable(cells: readonly Cell[]): string {
  const forms = WIRE_FORMS.filter((form) => cells.some(({ bytes }) => bytes.has(form)));
  const table = new Table({
    head: ["workload", "window", ...forms],
    colAligns: ["left", "right", ...forms.map(() => "right" as const)],
    style: { head: [], border: [], compact: true },
  });
  for (const { workload, windowMs, bytes, packetBytes } of cells) {
    const ours = bytes.get(OURS) ?? 0;
    table.push([
      workload,
      formatWindow(windowMs),
      ...forms.map((form) => {
        const own = bytes.get(form);
        if (own === undefined) return "";
        const packets = packetBytes.get(form);
        const inPackets = packets === undefined ? "" : ` (${formatBytes(packets)})`;
        return `${own < ours ? "* " : ""}${formatBytes(own)}${inPackets}`;
      }),
    ]);
  }
  return table.toString();
}

/** Sentences, a paragraph for each hop. Cells in which JSON is smaller stand first. */
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
  lines.push(...explainByCounter(losses.flatMap(({ cell }) => excessesOf(cell))));
  const others = compared.flatMap((cell) =>
    describeLosses(cell, ["msgpack-ibb"]).map((text) => ({ cell, text })),
  );
  if (others.length > 0)
    lines.push("msgpack-ibb is smaller:", ...others.map(({ cell, text }) => `  ${cell.hop}: ${text}`));
  lines.push(
    "JSON ÷ Stanzapack: geometric mean over workloads and windows (above 1: Stanzapack is smaller):",
  );
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

function excessesOf({ hop, bytes }: Cell): { readonly excess: number; readonly compressed: boolean }[] {
  const ours = bytes.get(OURS) ?? 0;
  return JSON_FORMS.map((form) => ({
    excess: ours - (bytes.get(form) ?? Infinity),
    compressed: !hop.endsWith("no compression"),
  })).filter(({ excess }) => excess > 0);
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
      ? [
          "The figures leave out bytes that the server adds to JSON by writing every quote as &quot; (`quoteEscapeBytes`).",
        ]
      : []),
    ...(unknown ? ["Under compression these bytes cannot be counted, so JSON's figures include them."] : []),
  ];
}

function formatWindow(windowMs: number): string {
  return windowMs === 0 ? "0" : windowMs % 1_000 === 0 ? `${windowMs / 1_000} s` : `${windowMs} ms`;
}

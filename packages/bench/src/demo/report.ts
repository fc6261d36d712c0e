import Table from "cli-table3";
import { COUNTER_BYTES, explainByCounter } from "../rivals/counter.js";
import { FORMS, RIVAL_FORMS, type RivalForm } from "../rivals/forms.js";
import { compareForms, type Comparison } from "./comparison.js";
import { formatBytes, formatCount, formatDuration } from "./format.js";
import type { Row } from "./measurement.js";
import type { DemoOptions } from "./options.js";
import type { DemoResult } from "./run.js";

/**
 * The report, at most 80 columns wide. The verdict comes first, and its first sentence says where JSON is smaller.
 * Then come a table of the services and a table of the connections.
 */
export function formatReport(result: DemoResult, options: DemoOptions): string {
  const { rows, rest, elapsedMs, framesAfterStop, silenceMs } = result;
  const seconds = (elapsedMs / 1_000).toFixed(1);
  return [
    ...formatVerdict(rows, { ...options, rest }),
    "",
    `Bytes per update (${options.server}, ${options.transport}${options.compress ? " compressed" : ""}, ${seconds} s):`,
    formatServices(rows),
    "Each form's own XMPP connection, in bytes since the first subscribe:",
    formatConnections(rows),
    ...formatNotes(rows),
    `After the last subscription was stopped, ${framesAfterStop} DATA frames came within ${silenceMs / 1_000} s.`,
  ].join("\n");
}

/** What the verdict must know of the run. */
interface Run extends Pick<DemoOptions, "compress" | "transport"> {
  /** The part of our bytes, from 0 to 1, that belongs to no update. */
  readonly rest: number;
}

/** Where JSON is smaller, and why; then the whole, then what was lost. Exported for its test. */
export function formatVerdict(rows: readonly Row[], run: Run): string[] {
  const comparisons = servicesOf(rows).flatMap((service) => compareForms(rows, service) ?? []);
  const lines = sayWhereJsonIsSmaller(comparisons, run);
  const whole = compareForms(rows, "*");
  if (whole !== undefined) {
    const rivals = whole.rivals.map(
      ({ form, bytes }) => `${form} ${formatBytes(bytes)} (${times(bytes, whole.ours)} times)`,
    );
    lines.push(
      `All services: Stanzapack takes ${formatBytes(whole.ours)} bytes per update,`,
      `  ${rivals.join(", ")}.`,
    );
  }
  const lost = rows.filter(({ service, lost: count }) => service !== "*" && count > 0);
  lines.push(
    lost.length === 0
      ? "Nothing was lost."
      : `Lost: ${lost.map((row) => `${row.service} ${formatCount(row.lost)} (${row.form})`).join(", ")}.`,
  );
  return lines;
}

/** One line for each service. Exported for its test. */
export function formatServices(rows: readonly Row[]): string {
  const table = createTable(["service", "window", "updates", ...FORMS]);
  for (const service of [...servicesOf(rows), "*"]) {
    const row = rows.find((candidate) => candidate.service === service && candidate.form === "stanzapack");
    const comparison = compareForms(rows, service);
    table.push([
      service === "*" ? "all" : service,
      row === undefined || row.windowMs === null ? "" : formatDuration(row.windowMs),
      formatCount(row?.updates ?? 0),
      comparison === undefined ? "" : formatBytes(comparison.ours),
      ...RIVAL_FORMS.map((form) => formatRival(comparison, form)),
    ]);
  }
  return table.toString();
}

function formatRival(comparison: Comparison | undefined, form: RivalForm): string {
  const bytes = comparison?.rivals.find((rival) => rival.form === form)?.bytes;
  if (comparison === undefined || bytes === undefined) return "";
  return `${formatBytes(bytes)} (${times(bytes, comparison.ours)}×)`;
}

function formatConnections(rows: readonly Row[]): string {
  const table = createTable(["form", "updates", "lost", "down", "up"]);
  for (const row of rows.filter(({ service }) => service === "*"))
    table.push([
      row.form,
      formatCount(row.updates),
      formatCount(row.lost),
      formatCount(row.bytesDown - row.quoteEscapeBytes),
      formatCount(row.bytesUp),
    ]);
  return table.toString();
}

function createTable(head: string[]): Table.Table {
  return new Table({
    head,
    colAligns: head.map((_, i) => (i === 0 ? "left" : "right")),
    style: { head: [], border: [], compact: true },
  });
}

function formatNotes(rows: readonly Row[]): string[] {
  const escapes = rows.reduce((sum, row) => sum + (row.service === "*" ? row.quoteEscapeBytes : 0), 0);
  if (escapes === 0) return [];
  return [
    "The server writes each quote of a JSON body as &quot;. All figures above leave",
    `out the ${formatCount(escapes)} bytes that this adds.`,
  ];
}

function servicesOf(rows: readonly Row[]): string[] {
  return [...new Set(rows.map(({ service }) => service))].filter((service) => service !== "*");
}

function sayWhereJsonIsSmaller(
  comparisons: readonly Comparison[],
  { compress: compressed, transport, rest }: Run,
): string[] {
  const losses = comparisons.flatMap(({ service, ours, rivals }) =>
    rivals
      .filter(({ bytes }) => bytes < ours)
      .map(({ form, bytes }) => {
        const more = ((ours / bytes - 1) * 100).toFixed(0);
        return `  ${service}: ${form} ${formatBytes(bytes)}; Stanzapack ${formatBytes(ours)}, ${more} % more`;
      }),
  );
  if (losses.length === 0) return ["JSON is smaller nowhere in this run."];
  const excesses = comparisons.flatMap(({ ours, rivals }) =>
    rivals.filter(({ bytes }) => bytes < ours).map(({ bytes }) => ({ excess: ours - bytes, compressed })),
  );
  const explained = explainByCounter(excesses);
  if (explained.length === 0 && compressed) explained.push(...explainByRest(comparisons, rest));
  if (transport === "bosh") explained.push(...SHARED_REQUESTS);
  return ["JSON is smaller, in bytes per update:", ...losses, ...explained];
}

/** Why a rare value may cost less in the form that sends most. `bench wire` measures the rare value alone. */
const SHARED_REQUESTS = [
  "  A request of BOSH takes everything that waits, and the form that sends most has",
  "  the fewest bytes of HTTP for each stanza. `bench wire` measures a rare value",
  "  on a connection of its own.",
];

/** What the counter of our stanzas does not explain: the JSON forms are sent without anybody asking for them. */
function explainByRest(comparisons: readonly Comparison[], rest: number): string[] {
  return comparisons
    .filter(({ ours, rivals }) => rivals.some(({ bytes }) => bytes < ours))
    .flatMap(({ service, ours }) => [
      `  ${service}: ${formatBytes(ours * rest)} of our bytes are a share of subscribing, which a longer run`,
      `  divides among more updates; JSON is sent unasked. About ${COUNTER_BYTES} are the counter,`,
      `  which shows a receiver that nothing was lost.`,
    ]);
}

function times(bytes: number, ours: number): string {
  return (bytes / ours).toFixed(1);
}

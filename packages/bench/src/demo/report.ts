import Table from "cli-table3";
import { COUNTER_BYTES, explainByCounter } from "../rivals/counter.js";
import { RIVAL_FORMS, type RivalForm } from "../rivals/forms.js";
import { formatBytes, formatCount } from "./format.js";
import type { Row } from "./measurement.js";
import type { DemoOptions } from "./options.js";
import type { DemoResult } from "./run.js";

/** The report: a table, then sentences about which form is smaller. Cells in which JSON is smaller stand first. */
export function formatReport(result: DemoResult, options: DemoOptions): string {
  const { rows, restBytes, elapsedMs, framesAfterStop, silenceMs } = result;
  const seconds = (elapsedMs / 1_000).toFixed(1);
  return [
    `${options.server}, ${options.transport}${options.compress ? " compressed" : ""}, ${seconds} s; bytes of each form's own XMPP stream since the first subscribe`,
    formatTable(rows),
    ...formatVerdict(rows, options.compress, restBytes),
    `After the last subscription was stopped, ${framesAfterStop} DATA frames came within ${silenceMs / 1_000} s.`,
  ].join("\n");
}

function formatTable(rows: readonly Row[]): string {
  const table = new Table({
    head: ["service", "form", "window", "updates", "lost", "down", "up", "per update", "of it &quot;"],
    colAligns: ["left", "left", ...Array.from({ length: 7 }, () => "right" as const)],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows)
    table.push([
      row.service,
      row.form,
      row.windowMs === null ? "" : `${row.windowMs} ms`,
      formatCount(row.updates),
      formatCount(row.lost),
      formatCount(row.bytesDown),
      formatCount(row.bytesUp),
      row.bytesPerUpdate === null ? "" : formatBytes(row.bytesPerUpdate),
      row.updates === 0 ? "" : formatBytes(row.quoteEscapeBytes / row.updates),
    ]);
  return table.toString();
}

interface Comparison {
  readonly service: string;
  readonly updates: number;
  readonly ours: number;
  readonly rivals: readonly { readonly form: RivalForm; readonly bytes: number }[];
}

/**
 * Sentences about every service and the whole. `restBytes`: bytes of each of our services that belong to no update.
 * Exported for its test.
 */
export function formatVerdict(rows: readonly Row[], compressed = false, restBytes = 0): string[] {
  const services = [...new Set(rows.map(({ service }) => service))].filter((service) => service !== "*");
  const comparisons = services.flatMap((service) => compare(rows, service) ?? []);
  const lines = sayWhereJsonIsSmaller(comparisons, compressed, restBytes);
  const wins = comparisons.filter(({ ours, rivals }) => rivals.some(({ bytes }) => bytes > ours));
  if (wins.length > 0) {
    lines.push("Stanzapack is smaller, in bytes per update:");
    for (const { service, ours, rivals } of wins)
      lines.push(
        `  ${service}: ${formatBytes(ours)}; ${rivals
          .filter(({ bytes }) => bytes > ours)
          .map(times(ours))
          .join(", ")}`,
      );
  }
  const whole = compare(rows, "*");
  if (whole !== undefined)
    lines.push(
      `All services together: Stanzapack ${formatBytes(whole.ours)} bytes per update; ${whole.rivals.map(times(whole.ours)).join(", ")}.`,
    );
  const escapes = rows.reduce((sum, row) => sum + (row.service === "*" ? row.quoteEscapeBytes : 0), 0);
  if (escapes > 0)
    lines.push(
      `These comparisons leave out ${formatCount(escapes)} bytes that the server adds to JSON by writing every quote as &quot;.`,
    );
  return lines;
}

function sayWhereJsonIsSmaller(
  comparisons: readonly Comparison[],
  compressed: boolean,
  restBytes: number,
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
  if (explained.length === 0 && compressed) explained.push(...explainByRest(comparisons, restBytes));
  return ["JSON is smaller, in bytes per update:", ...losses, ...explained];
}

/** What the counter of our stanzas does not explain: the JSON forms are sent without anybody asking for them. */
function explainByRest(comparisons: readonly Comparison[], restBytes: number): string[] {
  return comparisons
    .filter(({ ours, rivals }) => rivals.some(({ bytes }) => bytes < ours))
    .map(
      ({ service, updates }) =>
        `  ${service}: ${formatBytes(restBytes / updates)} of our bytes are a share of subscribing, which a longer run ` +
        `divides among more updates. JSON is sent unasked. About ${COUNTER_BYTES} are the counter, which shows a ` +
        `receiver that nothing was lost.`,
    );
}

function times(ours: number): (rival: { form: RivalForm; bytes: number }) => string {
  return ({ form, bytes }) => `${form} ${formatBytes(bytes)} (${(bytes / ours).toFixed(1)} times)`;
}

/** Compares without the quotes' escapes, which the server adds, not JSON. Undefined if something was not measured. */
function compare(rows: readonly Row[], service: string): Comparison | undefined {
  const bytesOf = (form: Row["form"]): number | undefined => {
    const row = rows.find((candidate) => candidate.service === service && candidate.form === form);
    if (row === undefined || row.updates === 0) return undefined;
    return (row.bytesDown + row.bytesUp - row.quoteEscapeBytes) / row.updates;
  };
  const ours = bytesOf("stanzapack");
  const updates = rows.find((row) => row.service === service && row.form === "stanzapack")?.updates ?? 0;
  if (ours === undefined) return undefined;
  const rivals = RIVAL_FORMS.flatMap((form) => {
    const bytes = bytesOf(form);
    return bytes === undefined ? [] : [{ form, bytes }];
  });
  return { service, updates, ours, rivals };
}

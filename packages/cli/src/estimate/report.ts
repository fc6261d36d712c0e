import {
  adviseOn,
  FORMS,
  formatBytes,
  formatCut,
  formatDelay,
  formatHop,
  judge,
  type EstimateRow,
} from "@stanzapack/estimate";
import Table from "cli-table3";

/** Facts about the file beside its rows. */
export interface FileFacts {
  /** The usual time between two updates of a service; undefined without times. */
  readonly intervalMs: number | undefined;
  readonly serviceCount: number;
}

/** The report: cells in which JSON is smaller, a verdict, a table for each hop, then advice. */
export function formatEstimate(rows: readonly EstimateRow[], facts: FileFacts): string {
  const [first] = rows;
  if (first === undefined) return "Nothing was measured.";
  const hops = [...new Set(rows.map(formatHop))];
  const verdict = judge(rows);
  const { intervalMs, serviceCount } = facts;
  return [
    ...formatLosses(rows),
    ...(verdict === undefined ? [] : [verdict, ""]),
    `${first.workload}: ${first.updates.toLocaleString("en-US")} updates${serviceCount > 1 ? ` of ${serviceCount} services` : ""}; ` +
      `bytes per update, down to one subscriber`,
    describeDelay(intervalMs, first.batch !== null),
    ...hops.flatMap((hop) => ["", hop, formatTable(rows.filter((row) => formatHop(row) === hop))]),
    "*: smaller than Stanzapack. Whole stanzas with their addresses, and the server's requests for acknowledgement; without TLS and TCP/IP.",
    "",
    ...adviseOn(rows),
  ].join("\n");
}

const JSON_FORMS = ["json-body", "json-batch"];

/** A line for each cell in which JSON is smaller. The advice at the end says what to do about these cells. */
function formatLosses(rows: readonly EstimateRow[]): string[] {
  const losses = rows.flatMap((row) => {
    if (!JSON_FORMS.includes(row.form)) return [];
    const cell = `${formatHop(row)}, ${formatCut(row)}`;
    const ours = rows.find(
      (own) => own.form === "stanzapack" && `${formatHop(own)}, ${formatCut(own)}` === cell,
    );
    if (ours === undefined || row.bytes >= ours.bytes) return [];
    const more = ((ours.bytes / row.bytes - 1) * 100).toFixed(0);
    const figures = `${row.form} ${formatBytes(row.bytesPerUpdate)}; Stanzapack ${formatBytes(ours.bytesPerUpdate)}`;
    return [`  ${cell}: ${figures}, ${more} % more`];
  });
  return losses.length === 0
    ? ["JSON is smaller nowhere here."]
    : ["JSON is smaller, in bytes per update:", ...losses];
}

function describeDelay(intervalMs: number | undefined, inBatches: boolean): string {
  if (!inBatches) return "A window is the longest time that an update waits.";
  if (intervalMs === undefined)
    return (
      "The updates have no times, so the time of a batch is not known: at 10 updates a second, 10 a stanza take 1 s. " +
      "`--time NAME` names the field of the time."
    );
  return `A service has an update every ${formatDelay(intervalMs)}. The time in brackets is how long a batch takes, and the longest time that an update waits.`;
}

function formatTable(rows: readonly EstimateRow[]): string {
  const table = new Table({
    head: ["", ...FORMS],
    colAligns: ["left", ...FORMS.map(() => "right" as const)],
    style: { head: [], border: [], compact: true },
  });
  for (const cut of new Set(rows.map(formatCut))) {
    const own = rows.filter((row) => formatCut(row) === cut);
    const ours = own.find(({ form }) => form === "stanzapack")?.bytes ?? 0;
    table.push([
      cut,
      ...FORMS.map((form) => {
        const row = own.find((candidate) => candidate.form === form);
        if (row === undefined) return "";
        return `${row.bytes < ours ? "* " : ""}${formatBytes(row.bytesPerUpdate)}`;
      }),
    ]);
  }
  return table.toString();
}

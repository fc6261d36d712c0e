import { adviseOn, FORMS, formatBytes, formatCut, formatHop, type EstimateRow } from "@stanzapack/estimate";
import Table from "cli-table3";

/** The rows for people: a table for each hop, then what to choose. */
export function formatEstimate(rows: readonly EstimateRow[]): string {
  const [first] = rows;
  if (first === undefined) return "Nothing was measured.";
  const hops = [...new Set(rows.map(formatHop))];
  return [
    `${first.workload}: ${first.updates.toLocaleString("en-US")} updates, profile ${first.profile}; bytes per update, down to one subscriber`,
    ...hops.flatMap((hop) => ["", hop, formatTable(rows.filter((row) => formatHop(row) === hop))]),
    "*: smaller than Stanzapack. Whole stanzas with their addresses; without TLS and TCP/IP.",
    "",
    ...adviseOn(rows),
  ].join("\n");
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

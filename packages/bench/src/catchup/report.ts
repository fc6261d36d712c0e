import Table from "cli-table3";
import { formatCount } from "../demo/format.js";
import { formatTargets } from "../measure/verdict.js";
import type { CatchUpRow } from "./rows.js";
import { judgeCatchUp } from "./targets.js";

const PLAIN = { head: [], border: [], compact: true };

/** The report: the targets, those that are not met first, then all rows. */
export function formatCatchUpReport(rows: readonly CatchUpRow[]): string {
  if (rows.length === 0) return "Nothing was measured.";
  const table = new Table({
    head: ["form", "keys", "changed", "bytes", "bytes a change", "ms"],
    style: PLAIN,
    colAligns: ["left", "right", "right", "right", "right", "right"],
  });
  for (const { form, keys, changed, bytes, ms } of rows)
    table.push([
      ...[form, formatCount(keys), changed === 1 ? "whole" : `${changed * 100} %`],
      ...[bytes === null ? "–" : formatCount(bytes)],
      ...[bytes === null ? "–" : (bytes / (keys * changed)).toFixed(2), ms === null ? "–" : formatCount(ms)],
    ]);
  return [
    ...formatTargets(judgeCatchUp(rows)),
    "",
    table.toString(),
    "stanzapack, live, services: payloads before base64. json: one object under brotli, quality 5, which does not travel.",
    "pouchdb: TCP, both directions. rsync: as rsync counts, both directions.",
    "live: one message with changes of a map. services: the same changes, each in a message of a service of its own.",
  ].join("\n");
}

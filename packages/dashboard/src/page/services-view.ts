import type { ServiceRow } from "@stanzapack/component";
import {
  formatByteRate,
  formatAge,
  formatDuration,
  formatNumber,
  formatRate,
  formatTimes,
  formatWindow,
  UNKNOWN,
} from "../model/format.js";
import { createTable, type Table } from "./table.js";

/** Most services in the table. The component sends at most 1,000 rows. */
const MAX_SERVICES = 200;

/** Shows services by node. `onPress`: the user asks for the values of this node. */
export function createServicesView(onPress: (node: string) => void): {
  readonly table: Table;
  show(services: ReadonlyMap<string, ServiceRow>, now: number): void;
} {
  const table = createTable({
    name: "Services",
    onPress,
    columns: [
      { name: "service" },
      { name: "kind, access" },
      { name: "status" },
      { name: "subscribers", isNumber: true },
      { name: "window", isNumber: true },
      { name: "in", isNumber: true },
      { name: "out", isNumber: true },
      { name: "newest", isNumber: true },
      { name: "bytes out", isNumber: true },
      { name: "as JSON", isNumber: true },
      { name: "larger", isNumber: true },
    ],
  });
  return {
    table,
    show(services, now) {
      const nodes = [...services.keys()].sort();
      const rows = nodes.slice(0, MAX_SERVICES).map((key) => ({
        key,
        cells: cellsOf(services.get(key) as ServiceRow, now),
      }));
      const more = nodes.length - rows.length;
      const note = more > 0 ? `${formatNumber(more)} more services are not shown.` : "";
      table.show(rows, nodes.length === 0 ? "Nobody offers a service." : note);
    },
  };
}

function cellsOf(row: ServiceRow, now: number): string[] {
  const waiting = row.waiting > 0 ? ` (${formatNumber(row.waiting)} waiting)` : "";
  const slowed = row.slowedMs > 0 ? `, slowed to ${formatDuration(row.slowedMs)}` : "";
  return [
    `${row.kind}, ${row.access}`,
    `${row.status}${slowed}`,
    `${formatNumber(row.subscribers)}${waiting}`,
    formatWindow(row.windowMs),
    formatRate(row.updatesIn),
    formatRate(row.updatesOut),
    row.at === null ? UNKNOWN : formatAge(now - row.at),
    formatByteRate(row.chars),
    formatByteRate(row.jsonChars),
    formatTimes(row.jsonChars, row.chars),
  ];
}

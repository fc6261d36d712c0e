import type { ClientRow, ComponentRow } from "@stanzapack/component";
import { formatClock, formatNumber, formatRate, UNKNOWN } from "../model/format.js";
import { peersOf } from "../model/peers.js";
import { createTable } from "./table.js";

/** Shows clients that are slow, or all of them, and those that are cut off. */
export function createPeersView(
  peersInto: HTMLElement,
  cutOffInto: HTMLElement,
): { show(clients: ReadonlyMap<string, ClientRow>, cutOff: ComponentRow["cutOff"], all: boolean): void } {
  const peers = createTable({
    name: "Clients",
    columns: [
      { name: "client" },
      { name: "why it is slow", isLong: true },
      { name: "unacknowledged", isNumber: true },
      { name: "waiting", isNumber: true },
      { name: "stanzas", isNumber: true },
      { name: "services", isNumber: true },
      { name: "subscriptions", isNumber: true },
      { name: "stanzas are" },
      { name: "since", isNumber: true },
    ],
  });
  const cutOffs = createTable({
    name: "Clients that are cut off",
    columns: [{ name: "cut off" }, { name: "until", isNumber: true }],
  });
  peersInto.replaceChildren(peers.element);
  cutOffInto.replaceChildren(cutOffs.element);
  return {
    show(clients, cutOff, all) {
      const { peers: found, leftOut } = peersOf(clients, all);
      const rows = found.map(({ jid, row, reasons }) => ({
        key: jid,
        cells: [
          reasons.length === 0 ? UNKNOWN : reasons.join("; "),
          formatNumber(row.unacked),
          formatNumber(row.waiting),
          formatRate(row.stanzas),
          formatNumber(row.services),
          formatNumber(row.subscriptions),
          row.envelope,
          formatClock(row.since),
        ],
      }));
      const none = all ? "There is no client." : `None of ${formatNumber(clients.size)} clients is slow.`;
      const more = leftOut > 0 ? `${formatNumber(leftOut)} more are not shown.` : "";
      peers.show(rows, rows.length === 0 ? none : more);
      cutOffs.show(
        cutOff.map(({ jid, until }) => ({ key: jid, cells: [formatClock(until)] })),
        cutOff.length === 0 ? "Nobody is cut off." : "",
      );
    },
  };
}

import type { ComponentRow } from "@stanzapack/component";
import {
  formatByteRate,
  formatBytes,
  formatDuration,
  formatNumber,
  formatPart,
  formatRate,
  formatTimes,
  UNKNOWN,
} from "../model/format.js";
import { make, setText } from "./dom.js";

/** Each fact of a group: its name, and how a row tells it. */
type Fact = readonly [name: string, of: (row: ComponentRow, now: number) => string];

const GROUPS: readonly (readonly [title: string, facts: readonly Fact[]])[] = [
  [
    "Traffic",
    [
      ["updates in", (row) => formatRate(row.updatesIn)],
      ["updates out", (row) => formatRate(row.updatesOut)],
      ["stanzas out", (row) => formatRate(row.stanzas)],
      ["bytes out", (row) => formatByteRate(row.chars)],
      ["as JSON", (row) => formatByteRate(row.jsonChars)],
      ["JSON is larger", (row) => formatTimes(row.jsonChars, row.chars)],
      ["conflated", (row) => formatRate(row.conflated)],
      ["lost since start", (row) => formatNumber(row.lost)],
    ],
  ],
  [
    "Clients",
    [
      ["links, lean stanzas", (row) => formatNumber(row.links.lean)],
      ["links, IBB", (row) => formatNumber(row.links.ibb)],
      ["suspended", (row) => formatNumber(row.links.suspended)],
      ["services", (row) => formatNumber(row.services)],
      ["subscriptions", (row) => formatNumber(row.subscriptions)],
      ["lanes", (row) => formatNumber(row.lanes)],
      ["cursors", (row) => formatNumber(row.cursors)],
    ],
  ],
  [
    "Delay",
    [
      [
        "round trip to server",
        (row) => (row.roundTripMs === null ? UNKNOWN : formatDuration(row.roundTripMs)),
      ],
      ["longest unacknowledged", (row) => formatDuration(row.unackedMs)],
      ["wait for credit", (row) => formatNumber(row.waiting.credit)],
      ["wait for acknowledgements", (row) => formatNumber(row.waiting.room)],
      ["rows that wait for a tick", (row) => formatNumber(row.waitingRows)],
      ["oldest of these", (row) => formatDuration(row.oldestRowMs)],
    ],
  ],
  [
    "Process",
    [
      ["processor", (row) => formatPart(row.processor)],
      ["memory", (row) => formatBytes(row.memoryBytes)],
      ["event-loop delay", (row) => formatDuration(row.loopDelayMs)],
      ["running for", (row, now) => formatDuration(Math.max(0, now - row.startedAt))],
      ["version", (row) => row.version],
    ],
  ],
  [
    "Budgets",
    [
      ["refused requests", (row) => formatRate(row.refusals)],
      ["slowed down since start", (row) => formatNumber(row.slowdowns)],
      ["cut off since start", (row) => formatNumber(row.cutOffs)],
    ],
  ],
  [
    "Store",
    [
      ["kept", ({ store }) => (store === null ? "in memory" : "on the disk")],
      ["size", ({ store }) => (store === null ? UNKNOWN : formatBytes(store.bytes))],
      [
        "free on its disk",
        ({ store }) => (store === null || store.freeBytes === null ? UNKNOWN : formatBytes(store.freeBytes)),
      ],
      ["can write", ({ store }) => (store?.problem ? "no" : "yes")],
    ],
  ],
];

/** Shows the facts of the component in groups. */
export function createOverviewView(into: HTMLElement): { show(row: ComponentRow, now: number): void } {
  const cells: { readonly cell: HTMLElement; readonly of: Fact[1] }[] = [];
  into.replaceChildren(
    ...GROUPS.map(([title, facts]) => {
      const list = make("dl");
      for (const [name, of] of facts) {
        const cell = make("dd", {}, UNKNOWN);
        cells.push({ cell, of });
        list.append(make("dt", {}, name), cell);
      }
      return make("div", { class: "group" }, make("h3", {}, title), list);
    }),
  );
  return {
    show(row, now) {
      for (const { cell, of } of cells) setText(cell, of(row, now));
    },
  };
}

import type { ClientRow, ComponentRow, ServiceRow } from "@stanzapack/component";
import Table from "cli-table3";
import type { Sort } from "./sorts.js";
import { formatBytes, formatCount, formatSpan } from "./units.js";

/** What `top` has received last. */
export interface Snapshot {
  readonly component: string;
  readonly overview: ComponentRow;
  readonly services: ReadonlyMap<string, ServiceRow>;
  readonly clients: ReadonlyMap<string, ClientRow>;
  /** When `overview` was made, in ms since 1970. */
  readonly at: number;
}

export interface ViewOptions {
  readonly sort: Sort;
  /** Most services, and most clients. */
  readonly rows: number;
}

/** Columns of a node, and of a client's JID, so that a line has at most 80. */
const NAME_COLUMNS = 20;
const CLIENT_COLUMNS = 28;
/** Columns of the remarks. */
const REMARK_COLUMNS = 12;

const NO_RULERS = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: " " },
};

/** Returns the whole view: at most 80 columns wide. */
export function formatView(snapshot: Snapshot, options: ViewOptions): string {
  return [formatHead(snapshot), "", formatServices(snapshot, options), "", formatClients(snapshot, options)]
    .join("\n")
    .replace(/ +$/gm, "");
}

function formatHead({ component, overview: row, at }: Snapshot): string {
  const { links, waiting, store, cutOff } = row;
  const times = row.chars === 0 ? "" : ` (${formatCount(row.jsonChars / row.chars)} times)`;
  return [
    `${component}, version ${row.version}, up ${formatSpan(at - row.startedAt)}`,
    `services ${formatCount(row.services)}  subscriptions ${formatCount(row.subscriptions)}  links ` +
      `${formatCount(links.lean)} lean, ${formatCount(links.ibb)} ibb, ${formatCount(links.suspended)} suspended`,
    `updates in ${formatCount(row.updatesIn)}/s, out ${formatCount(row.updatesOut)}/s, in ` +
      `${formatCount(row.stanzas)} stanzas/s`,
    `sent ${formatBytes(row.chars)}/s; as JSON ${formatBytes(row.jsonChars)}/s${times}`,
    `processor ${Math.round(row.processor * 100)} %  memory ${formatBytes(row.memoryBytes)}  delay ` +
      `${formatSpan(row.loopDelayMs)}  round trip ${row.roundTripMs === null ? "?" : formatSpan(row.roundTripMs)}`,
    `waiting: for credit ${formatCount(waiting.credit)}, for acknowledgements ${formatCount(waiting.room)}` +
      ` (longest ${formatSpan(row.unackedMs)}); rows ${formatCount(row.waitingRows)}`,
    `conflated ${formatCount(row.conflated)}/s  lost ${formatCount(row.lost)}  refused ${formatCount(row.refusals)}/s` +
      `  slowed ${formatCount(row.slowdowns)}  cut off ${formatCount(row.cutOffs)}`,
    ...(store === null ? ["store: in memory"] : [formatStore(store)]),
    ...(row.refused === null || row.refusals === 0
      ? []
      : [`refused last: ${plain(row.refused.jid)}, ${plain(row.refused.reason)}`]),
    ...cutOff.map(({ jid, until }) => `cut off: ${plain(jid)}, for ${formatSpan(Math.max(0, until - at))}`),
  ].join("\n");
}

function formatStore({ bytes, freeBytes, problem }: NonNullable<ComponentRow["store"]>): string {
  const free = freeBytes === null ? "" : `, ${formatBytes(freeBytes)} free`;
  return problem === null
    ? `store ${formatBytes(bytes)}${free}`
    : `store ${formatBytes(bytes)}${free}: CANNOT WRITE, ${plain(problem)}`;
}

function formatServices({ services, at }: Snapshot, { sort, rows }: ViewOptions): string {
  const table = createTable(["service", "subs", "window", "in/s", "out/s", "bytes/s", "JSON", "age", ""]);
  const sorted = [...services].sort(([a, one], [b, other]) => compare(sort, one, other) || (a < b ? -1 : 1));
  for (const [node, row] of sorted.slice(0, rows))
    table.push([
      shorten(node, NAME_COLUMNS),
      formatCount(row.subscribers),
      row.windowMs === null ? "" : formatSpan(row.windowMs),
      formatCount(row.updatesIn),
      formatCount(row.updatesOut),
      formatBytes(row.chars),
      row.chars === 0 ? "" : `${formatCount(row.jsonChars / row.chars)}×`,
      row.at === null ? "" : formatSpan(Math.max(0, at - row.at)),
      remarksOf([
        row.status === "online" ? "" : row.status,
        row.waiting > 0 ? `${row.waiting} wait` : "",
        row.slowedMs > 0 ? `slowed ${formatSpan(row.slowedMs)}` : "",
      ]),
    ]);
  return [table.toString(), ...leftOut(services.size - rows, "services")].join("\n");
}

function compare(sort: Sort, a: ServiceRow, b: ServiceRow): number {
  switch (sort) {
    case "bytes":
      return b.chars - a.chars;
    case "updates":
      return b.updatesIn - a.updatesIn;
    case "subscribers":
      return b.subscribers - a.subscribers;
    case "age":
      return (b.at ?? 0) - (a.at ?? 0);
    case "name":
      return 0;
  }
}

/** Clients with a trouble come first, then those that take most. */
function formatClients({ clients }: Snapshot, { rows }: ViewOptions): string {
  const table = createTable(["client", "subs", "offers", "stanzas/s", "unacked", "for", ""]);
  const sorted = [...clients].sort(
    ([a, one], [b, other]) =>
      troubleOf(other) - troubleOf(one) || other.stanzas - one.stanzas || (a < b ? -1 : 1),
  );
  for (const [jid, row] of sorted.slice(0, rows))
    table.push([
      shorten(jid, CLIENT_COLUMNS),
      formatCount(row.subscriptions),
      formatCount(row.services),
      formatCount(row.stanzas),
      formatCount(row.unacked),
      row.unackedSeconds > 0 ? formatSpan(row.unackedSeconds * 1_000) : "",
      remarksOf([
        row.suspended ? "suspended" : "",
        row.waiting > 0 ? `${row.waiting} wait` : "",
        row.slowedMs > 0 ? `slowed ${formatSpan(row.slowedMs)}` : "",
        row.envelope === "ibb" ? "ibb" : "",
      ]),
    ]);
  return [table.toString(), ...leftOut(clients.size - rows, "clients")].join("\n");
}

function troubleOf({ suspended, waiting, slowedMs }: ClientRow): number {
  return Number(suspended) + Number(waiting > 0) + Number(slowedMs > 0);
}

function leftOut(count: number, what: string): string[] {
  return count > 0 ? [`… and ${count} more ${what}`] : [];
}

function remarksOf(remarks: readonly string[]): string {
  const text = remarks.filter((remark) => remark !== "").join(", ");
  return text.length > REMARK_COLUMNS ? `${text.slice(0, REMARK_COLUMNS - 1)}…` : text;
}

/** The end of a name says more than its beginning. */
function shorten(name: string, columns: number): string {
  const text = plain(name);
  return text.length > columns ? `…${text.slice(text.length - columns + 1)}` : text;
}

/** Others wrote the text, so its control characters must not reach the terminal. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}

function createTable(head: string[]): Table.Table {
  return new Table({
    head,
    chars: NO_RULERS,
    colAligns: head.map((name, i) => (i === 0 || name === "" ? "left" : "right")),
    style: { head: [], border: [], compact: true, "padding-left": 0, "padding-right": 0 },
  });
}

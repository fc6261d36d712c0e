import type { ClientRow, ComponentRow, ServiceRow } from "@stanzapack/component";
import { formatBytes, formatClock, formatDuration, formatNumber, formatPart, formatRate } from "./format.js";
import type { Silence } from "./rhythms.js";

/** Something that an administrator should look at, as a sentence. */
export interface Finding {
  /** `bad`: somebody does not receive data, or data may be lost. `warn`: it may become so. */
  readonly weight: "bad" | "warn";
  /** What it is about. The same trouble has the same key at another time, with other numbers in its text. */
  readonly key: string;
  readonly text: string;
}

/** Round trip to the server beyond which the server or the network is slow, in ms. */
const SLOW_ROUND_TRIP_MS = 500;
/** Delay of the event loop that subscribers notice, in ms. Ticks are 25 ms apart. */
const LONG_DELAY_MS = 250;
/** Part of one processor beyond which little is left for a burst. */
const BUSY_PROCESSOR = 0.9;
/** Time after which an acknowledgement is late, in ms: a client acknowledges a few lean stanzas after 100 s. */
const LATE_MS = 110_000;
/** Free space of the disk that is too little, in bytes. */
const LITTLE_SPACE_BYTES = 500_000_000;
/** Most sentences about services, and about clients. The tables have the rest. */
const MAX_OF_A_KIND = 5;

export interface Observed {
  readonly overview: ComponentRow;
  readonly services: ReadonlyMap<string, ServiceRow>;
  readonly clients: ReadonlyMap<string, ClientRow>;
  /** Publishers that were busy, and send nothing now. */
  readonly silences: readonly Silence[];
}

/** Says what is wrong now, and what causes it, the worst first. Empty: nothing needs attention. */
export function findingsOf(observed: Observed): Finding[] {
  const { overview, services, clients, silences } = observed;
  const found = [
    ...ofStore(overview),
    ...ofComponent(overview),
    ...ofServices(services, Boolean(overview.store?.problem)),
    ...ofSilences(silences),
    ...ofClients(clients, services, overview.waiting),
  ];
  return found.sort((a, b) => Number(b.weight === "bad") - Number(a.weight === "bad"));
}

const bad = (key: string, text: string): Finding => ({ weight: "bad", key, text });
const warn = (key: string, text: string): Finding => ({ weight: "warn", key, text });

function* ofStore({ store, lost }: ComponentRow): Iterable<Finding> {
  const { problem = null, freeBytes = null } = store ?? {};
  if (problem !== null) yield bad("store", `The store cannot write: ${problem.replace(/\.$/, "")}.`);
  else if (freeBytes !== null && freeBytes < LITTLE_SPACE_BYTES)
    yield warn("disk", `The disk of the store has only ${formatBytes(freeBytes)} free.`);
  if (lost > 0) yield warn("lost", `Updates lost since the component started: ${formatNumber(lost)}.`);
}

function* ofComponent(row: ComponentRow): Iterable<Finding> {
  for (const { jid, until } of row.cutOff)
    yield bad(`cut-off ${jid}`, `${jid} is cut off until ${formatClock(until)}: it was far over its budget.`);
  if (row.links.suspended > 0)
    yield bad(
      "suspended",
      `${count(row.links.suspended, "client")} suspended: their server is away or does not read.`,
    );
  if (row.roundTripMs !== null && row.roundTripMs > SLOW_ROUND_TRIP_MS)
    yield bad(
      "server",
      `The XMPP server takes ${formatDuration(row.roundTripMs)} to answer: it, or the network to it, is slow.`,
    );
  if (row.loopDelayMs > LONG_DELAY_MS)
    yield bad(
      "delay",
      `The component could do nothing for ${formatDuration(row.loopDelayMs)}: ${delayCause(row)}.`,
    );
  if (row.processor > BUSY_PROCESSOR)
    yield warn("processor", `The component takes ${formatPart(row.processor)} of a processor.`);
  if (row.unackedMs > LATE_MS)
    yield warn(
      "unacknowledged",
      `A client has not acknowledged data for ${formatDuration(row.unackedMs)}: its network or its program is slow.`,
    );
  if (row.refusals > 0)
    yield warn("refused", `${formatRate(row.refusals)} requests are refused${lastOf(row)}.`);
}

function delayCause({ processor }: ComponentRow): string {
  return processor > BUSY_PROCESSOR / 2
    ? "it is too busy"
    : `with ${formatPart(processor)} of a processor it is not busy, so its process or its machine was stopped`;
}

function lastOf({ refused }: ComponentRow): string {
  if (refused === null) return "";
  return `, the last of ${refused.jid} with \`${refused.reason}\`: ${refused.text.replace(/\.$/, "")}`;
}

function* ofServices(services: ReadonlyMap<string, ServiceRow>, storeFails: boolean): Iterable<Finding> {
  let said = 0;
  for (const [node, row] of services) {
    if (said >= MAX_OF_A_KIND) return;
    if (row.slowedMs > 0)
      yield warn(
        `budget ${row.publisher}`,
        `${node}: its publisher ${row.publisher} is over its budget, with ${formatRate(row.updatesIn)} updates. ` +
          `It is asked to send in windows of ${formatDuration(row.slowedMs)}.`,
      );
    else if (row.status !== "online" && row.subscribers > 0) {
      const cause = storeFails && row.durability !== "none" ? ", perhaps because the store cannot write" : "";
      yield bad(
        `offline ${node}`,
        `${node} is ${row.status}${cause}. Subscribers that wait for it: ${formatNumber(row.subscribers)}.`,
      );
    } else continue;
    said++;
  }
}

function* ofSilences(silences: readonly Silence[]): Iterable<Finding> {
  for (const { node, sinceMs, rate } of silences.slice(0, MAX_OF_A_KIND))
    yield warn(
      `silent ${node}`,
      `${node}: no update for ${formatDuration(sinceMs)}, before there were ${formatRate(rate)}. ` +
        "Its publisher hangs, or has lost its network.",
    );
}

/** Clients that do not take their data, or send too much. The tables have those that are left out. */
function* ofClients(
  clients: ReadonlyMap<string, ClientRow>,
  services: ReadonlyMap<string, ServiceRow>,
  all: ComponentRow["waiting"],
): Iterable<Finding> {
  const slowed = new Set([...services.values()].map((row) => (row.slowedMs > 0 ? row.publisher : null)));
  let said = 0;
  let left = all.credit + all.room;
  for (const [jid, row] of clients) {
    if (said >= MAX_OF_A_KIND) break;
    const { waiting, unread, slowedMs, unacked, unackedSeconds } = row;
    const what = `${count(waiting, "subscription")} waiting, such as to ${row.waitingFor}.`;
    if (unread > 0) yield warn(`unread ${jid}`, `${jid}: the program does not read its updates. ${what}`);
    else if (waiting > 0)
      yield warn(
        `unacknowledged ${jid}`,
        `${jid} does not acknowledge: ${formatNumber(unacked)} stanzas, the oldest for ` +
          `${formatDuration(unackedSeconds * 1_000)}. It hangs, or its network is slow. ${what}`,
      );
    else if (slowedMs > 0 && !slowed.has(jid))
      yield warn(
        `budget ${jid}`,
        `${jid} is over its budget, and is asked to publish in windows of ${formatDuration(slowedMs)}.`,
      );
    else continue;
    left -= waiting;
    said++;
  }
  if (left > 0)
    yield warn(
      "waiting",
      `${count(left, "other subscription")} waiting for clients that do not read or acknowledge.`,
    );
}

function count(number: number, what: string): string {
  return number === 1 ? `1 ${what} is` : `${formatNumber(number)} ${what}s are`;
}

import type { ClientRow, ComponentRow, ServiceRow } from "@stanzapack/component";
import { formatBytes, formatClock, formatDuration, formatNumber, formatPart, formatRate } from "./format.js";
import type { Silence } from "./rhythms.js";

/** Something that an administrator should look at, as a sentence. */
export interface Finding {
  /** `bad`: somebody does not receive data, or data may be lost. `warn`: it may become so. */
  readonly weight: "bad" | "warn";
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
export function findingsOf({ overview, services, clients, silences }: Observed): Finding[] {
  const found = [
    ...ofStore(overview),
    ...ofComponent(overview),
    ...ofServices(services),
    ...ofSilences(silences),
    ...ofClients(clients),
  ];
  return found.sort((a, b) => Number(b.weight === "bad") - Number(a.weight === "bad"));
}

function* ofStore({ store, lost }: ComponentRow): Iterable<Finding> {
  if (store?.problem) yield { weight: "bad", text: `The store cannot write: ${store.problem.replace(/\.$/, "")}.` };
  const { freeBytes = null } = store ?? {};
  if (freeBytes !== null && freeBytes < LITTLE_SPACE_BYTES)
    yield { weight: "warn", text: `The disk of the store has only ${formatBytes(freeBytes)} free.` };
  if (lost > 0)
    yield { weight: "warn", text: `Updates lost since the component started: ${formatNumber(lost)}.` };
}

function* ofComponent(row: ComponentRow): Iterable<Finding> {
  for (const { jid, until } of row.cutOff)
    yield {
      weight: "bad",
      text: `${jid} is cut off until ${formatClock(until)}: it was far over its budget.`,
    };
  if (row.links.suspended > 0)
    yield {
      weight: "bad",
      text: `${count(row.links.suspended, "client")} suspended: their server is away or does not read.`,
    };
  if (row.roundTripMs !== null && row.roundTripMs > SLOW_ROUND_TRIP_MS)
    yield {
      weight: "bad",
      text: `The XMPP server takes ${formatDuration(row.roundTripMs)} to answer: it, or the network to it, is slow.`,
    };
  if (row.loopDelayMs > LONG_DELAY_MS)
    yield {
      weight: "bad",
      text: `The component could do nothing for ${formatDuration(row.loopDelayMs)}: its processor is too busy, or was taken away.`,
    };
  if (row.processor > BUSY_PROCESSOR)
    yield { weight: "warn", text: `The component takes ${formatPart(row.processor)} of a processor.` };
  if (row.unackedMs > LATE_MS)
    yield {
      weight: "warn",
      text: `A client has not acknowledged data for ${formatDuration(row.unackedMs)}: its network or its program is slow.`,
    };
  if (row.waiting.credit > 0)
    yield {
      weight: "warn",
      text: `${count(row.waiting.credit, "subscription")} waiting for a program that does not read its updates.`,
    };
  if (row.waiting.room > 0)
    yield {
      weight: "warn",
      text: `${count(row.waiting.room, "subscription")} waiting for acknowledgements of a slow client.`,
    };
  if (row.refusals > 0)
    yield {
      weight: "warn",
      text: `${formatRate(row.refusals)} requests are refused${lastOf(row)}. The component's log has more.`,
    };
}

function lastOf({ refused }: ComponentRow): string {
  return refused === null ? "" : `, the last of ${refused.jid} with \`${refused.reason}\``;
}

function* ofServices(services: ReadonlyMap<string, ServiceRow>): Iterable<Finding> {
  let said = 0;
  for (const [node, row] of services) {
    if (said >= MAX_OF_A_KIND) return;
    if (row.slowedMs > 0)
      yield {
        weight: "warn",
        text: `${node}: its publisher is over its budget, and sends in windows of ${formatDuration(row.slowedMs)}.`,
      };
    else if (row.status !== "online" && row.subscribers > 0)
      yield {
        weight: "bad",
        text: `${node} is ${row.status}. Subscribers that wait for it: ${formatNumber(row.subscribers)}.`,
      };
    else continue;
    said++;
  }
}

function* ofSilences(silences: readonly Silence[]): Iterable<Finding> {
  for (const { node, sinceMs, rate } of silences.slice(0, MAX_OF_A_KIND))
    yield {
      weight: "warn",
      text: `${node}: no update for ${formatDuration(sinceMs)}, before there were ${formatRate(rate)}. Its publisher hangs, or has lost its network.`,
    };
}

function* ofClients(clients: ReadonlyMap<string, ClientRow>): Iterable<Finding> {
  let said = 0;
  for (const [jid, { slowedMs }] of clients) {
    if (slowedMs === 0 || said >= MAX_OF_A_KIND) continue;
    said++;
    yield {
      weight: "warn",
      text: `${jid} is over its budget, and is asked to publish in windows of ${formatDuration(slowedMs)}.`,
    };
  }
}

function count(number: number, what: string): string {
  return number === 1 ? `1 ${what} is` : `${formatNumber(number)} ${what}s are`;
}

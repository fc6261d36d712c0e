import type { ClientRow } from "@stanzapack/component";
import { formatDuration } from "./format.js";

/** Most clients in the table. */
export const MAX_PEERS = 50;

/**
 * Time after which an acknowledgement is late, in seconds. A client acknowledges a few stanzas after 20 s, and a few lean
 * stanzas after 100 s.
 */
const LATE_SECONDS = { ibb: 25, lean: 110 } as const;

export interface Peer {
  readonly jid: string;
  readonly row: ClientRow;
  /** Why the client is slow. Empty: it is not. */
  readonly reasons: readonly string[];
}

/** Returns the slowest clients, the slowest first. `all`: those that are not slow too, after the others. */
export function peersOf(
  clients: ReadonlyMap<string, ClientRow>,
  all: boolean,
): { readonly peers: readonly Peer[]; readonly leftOut: number } {
  const found: Peer[] = [];
  for (const [jid, row] of clients) {
    const reasons = reasonsOf(row);
    if (all || reasons.length > 0) found.push({ jid, row, reasons });
  }
  found.sort((a, b) => weigh(b) - weigh(a) || (a.jid < b.jid ? -1 : 1));
  return { peers: found.slice(0, MAX_PEERS), leftOut: Math.max(0, found.length - MAX_PEERS) };
}

function reasonsOf({ envelope, suspended, unackedSeconds, waiting, unread, slowedMs }: ClientRow): string[] {
  return [
    suspended ? "suspended: its server is away or busy" : "",
    unackedSeconds > LATE_SECONDS[envelope]
      ? `no acknowledgement for ${formatDuration(unackedSeconds * 1_000)}`
      : "",
    unread > 0 ? "its program does not read" : waiting > 0 ? "does not acknowledge" : "",
    slowedMs > 0 ? `publishes too much, slowed to ${formatDuration(slowedMs)}` : "",
  ].filter((reason) => reason !== "");
}

function weigh({ row, reasons }: Peer): number {
  return (
    reasons.length * 1e6 +
    (row.suspended ? 1e7 : 0) +
    row.unackedSeconds * 1e3 +
    row.waiting * 10 +
    row.unacked
  );
}

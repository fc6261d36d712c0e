import { DEFAULT_LIMITS, ReadBudget, type Frame } from "@stanzapack/wire";
import { NOT_QUEUED } from "../fanout/write-queue.js";
import type { ClientLink } from "../links/client-link.js";
import { LinkOutlet } from "../links/link-outlet.js";

/**
 * Returns a link without a bytestream, for unit tests. The link has no bounds, and drops what is sent. `own`: what the
 * test replaces.
 */
export function fakeLink(jid: string, own: object = {}): ClientLink {
  let alias = -1;
  const link = {
    ...{ jid, bareJid: jid.slice(0, jid.indexOf("/")), ended: false, readerBytes: 0 },
    ...{ phase: 0, queue: NOT_QUEUED, unacked: 0 },
    format: { delivery: "link", sizeClass: 65_535, coded: false, deflates: false, hop: "plain" },
    throttle: { accounts: [], updates: 0, owes: false, windowMs: 0, widenAt: 0 },
    session: { budget: new ReadBudget(DEFAULT_LIMITS.maxInflatedBytes), unacked: 0 },
    ...{ services: new Map(), subscriptions: new Map(), taken: new Map(), detached: new Set() },
    ...{ maySendData: true, maySendDataAt: () => link.maySendData },
    noteKept: () => undefined,
    ...{ assertOpen: () => undefined, checkAlias: () => undefined, takeAlias: () => ++alias },
    isRetired: (retired: number) => retired <= alias,
    createOutlet: () => new LinkOutlet(link, link.takeAlias()),
    sendFrame: (_: Frame) => undefined,
    append: () => undefined,
    ...own,
  } as unknown as ClientLink & { maySendData: boolean };
  return link;
}

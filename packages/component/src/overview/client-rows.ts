import { wallAheadMs } from "@stanzapack/xmpp";
import type { ClientLink } from "../links/client-link.js";
import { Rates } from "./rates.js";
import type { ClientRow } from "./rows.js";

/** Makes rows of clients' links. It remembers the counters of each link. */
export class ClientRows {
  private readonly rates = new Rates<ClientLink>();

  /** Returns a row for each link. `now`: monotonic, in ms. `seconds`: since the call before. */
  of(links: Iterable<ClientLink>, now: number, seconds: number): Map<string, ClientRow> {
    return new Map([...links].map((link) => [link.jid, this.describe(link, now, seconds)]));
  }

  private describe(link: ClientLink, now: number, seconds: number): ClientRow {
    const { session, stream, services, subscriptions, detached, throttle } = link;
    const { unacked, waitingSince = now } = session;
    const waiting = [...detached];
    const unread = waiting.filter(({ hasCredit }) => !hasCredit);
    return {
      since: Math.round(link.openedAt + wallAheadMs()),
      envelope: stream.leanChars > 0 ? "lean" : "ibb",
      suspended: link.suspension !== undefined,
      ...{ services: services.size, subscriptions: subscriptions.size, waiting: detached.size },
      ...{ unread: unread.length, waitingFor: waiting[0]?.service.node ?? null },
      ...{ unacked, unackedSeconds: Math.floor((now - waitingSince) / 1_000) },
      slowedMs: throttle.windowMs,
      stanzas: this.rates.read(link, { stanzas: session.sentStanzas }, seconds).stanzas,
    };
  }
}

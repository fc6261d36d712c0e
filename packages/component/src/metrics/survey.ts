import type { Service } from "../catalog/service.js";
import type { ClientLink } from "../links/client-link.js";
import type { Survey } from "./sources.js";

/**
 * Returns what one look at every link and every service finds. `now`: the monotonic time, in ms. The look takes about a
 * microsecond for each link, lane and subscription.
 */
export function survey(links: Iterable<ClientLink>, services: Iterable<Service>, now: number): Survey {
  const envelopes = { lean: 0, ibb: 0 };
  let suspendedLinks = 0;
  let oldestUnackedMs = 0;
  for (const link of links) {
    envelopes[link.stream.leanChars > 0 ? "lean" : "ibb"]++;
    if (link.suspension !== undefined) suspendedLinks++;
    const { waitingSince = now } = link.session;
    oldestUnackedMs = Math.max(oldestUnackedMs, now - waitingSince);
  }
  const kinds = new Map<string, { kind: string; online: boolean; count: number }>();
  const subscriptions = new Map<string, number>();
  const waiting = { credit: 0, room: 0 };
  const waitingRows = { count: 0, bytes: 0, oldestMs: 0 };
  for (const service of services) {
    const { kind } = service.config;
    const name = `${kind} ${service.online}`;
    const counted = kinds.get(name) ?? { kind, online: service.online, count: 0 };
    counted.count++;
    kinds.set(name, counted);
    for (const { batch } of service.lanes.values()) {
      if (batch.empty) continue;
      waitingRows.count += batch.rows;
      waitingRows.bytes += batch.bytes;
      waitingRows.oldestMs = Math.max(waitingRows.oldestMs, now - batch.oldestAt);
    }
    for (const { lane, detached, hasCredit } of service.subscriptions) {
      const { delivery } = lane.key;
      subscriptions.set(delivery, (subscriptions.get(delivery) ?? 0) + 1);
      if (detached) waiting[hasCredit ? "room" : "credit"]++;
    }
  }
  return {
    ...{ links: envelopes, suspendedLinks, oldestUnackedMs },
    ...{ services: [...kinds.values()], subscriptions, waiting, waitingRows },
  };
}

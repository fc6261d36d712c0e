import { wallAheadMs } from "@stanzapack/xmpp";
import type { Service } from "../catalog/service.js";
import { valueOf } from "../fanout/row-values.js";
import { Rates } from "./rates.js";
import type { ServiceRow } from "./rows.js";

/** Most newest values that are written as JSON for one look. The others keep their length of before. */
const MAX_MEASURED = 200;
/** A message with a JSON body, without its addresses and its body. */
const JSON_AROUND = "<message from='' to='' type='headline'><body></body></message>".length;
/** Weight of a newest value in the mean length of a service's values: texts differ much. */
const NEWEST_WEIGHT = 0.2;
/** Characters of a subscriber's address, where a service has none. */
const USUAL_JID_CHARS = 30;

/** Makes rows of services. It remembers the counters of each service, and the mean length of its values as JSON. */
export class ServiceRows {
  private readonly rates = new Rates<Service>();
  private readonly jsonLengths = new WeakMap<Service, { readonly row: Uint8Array; readonly chars: number }>();
  private measured = 0;

  /**
   * Returns a row for each service that `isShown`. `stanzaChars`: characters of all stanzas, a second. `seconds`: since
   * the call before.
   */
  of(
    services: Iterable<Service>,
    isShown: (service: Service) => boolean,
    stanzaChars: number,
    seconds: number,
  ): Map<string, ServiceRow> {
    this.measured = 0;
    const seen = [...services].map((service) => {
      const { rowsIn, rowsOut, bodiesOut, charsOut } = service.traffic;
      return { service, rates: this.rates.read(service, { rowsIn, rowsOut, bodiesOut, charsOut }, seconds) };
    });
    let [bodies, chars] = [0, 0];
    for (const { rates } of seen) {
      bodies += rates.bodiesOut;
      chars += rates.charsOut;
    }
    // What is around the bodies, and between them, is the same for a small and a large body.
    const around = bodies === 0 ? 0 : Math.max(0, stanzaChars - chars) / bodies;
    return new Map(
      seen
        .filter(({ service }) => isShown(service))
        .map(({ service, rates }) => [
          service.node,
          {
            ...describe(service),
            updatesIn: rates.rowsIn,
            updatesOut: rates.rowsOut,
            chars: Math.round(rates.charsOut + around * rates.bodiesOut),
            jsonChars: Math.round(rates.rowsOut * this.jsonChars(service)),
          },
        ]),
    );
  }

  /** Returns the characters of a message with a value as JSON, as a mean of the newest values. 0: there is no value. */
  private jsonChars(service: Service): number {
    const { newest } = service.traffic;
    if (newest === undefined) return 0;
    let known = this.jsonLengths.get(service);
    if (known === undefined || (known.row !== newest.row && this.measured < MAX_MEASURED)) {
      this.measured++;
      const length = jsonLengthOf(newest.row);
      const before = known?.chars ?? length;
      known = { row: newest.row, chars: before + NEWEST_WEIGHT * (length - before) };
      this.jsonLengths.set(service, known);
    }
    const [subscription] = service.subscriptions;
    const to = subscription?.outlet.jid.length ?? USUAL_JID_CHARS;
    return JSON_AROUND + service.node.length + to + known.chars;
  }
}

/** Bytes, which JSON has not, count as base64. */
function jsonLengthOf(row: Uint8Array): number {
  const text = JSON.stringify(valueOf(row), (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
  );
  return text.length;
}

function describe(service: Service): Omit<ServiceRow, "updatesIn" | "updatesOut" | "chars" | "jsonChars"> {
  const { config, publisher, subscriptions } = service;
  const cameAt = service.traffic.newest?.cameAt;
  let waiting = 0;
  for (const { detached } of subscriptions) if (detached) waiting++;
  return {
    ...{ kind: config.kind, access: config.access, durability: config.durability ?? "none" },
    title: config.title,
    status: service.told.status,
    publisher: publisher?.link.jid ?? null,
    ...{ subscribers: subscriptions.size, waiting, windowMs: service.takenWindowMs },
    slowedMs: publisher?.link.throttle.windowMs ?? 0,
    at: cameAt === undefined ? null : Math.round(cameAt + wallAheadMs()),
  };
}

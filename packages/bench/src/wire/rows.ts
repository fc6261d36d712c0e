import type { EnvelopeKind } from "@stanzapack/client";
import { Delivery, PublishedLog } from "../demo/delivery.js";
import { percentile } from "../measure/percentile.js";
import {
  WIRE_COMPRESSIONS,
  WIRE_FORMS,
  WIRE_SERVERS,
  WIRE_TRANSPORTS,
  type Hop,
  type WireCompression,
  type WireForm,
  type WireServer,
  type WireTransport,
} from "./axes.js";
import type { PublishedValues } from "./publisher-methods.js";
import type { ReceivedValues, SubscriberResult } from "./subscriber-methods.js";
import { WORKLOADS, type WorkloadId } from "./workloads.js";

/** One row of `stanzapack bench wire`: one connection. Bytes are from the first subscribe on. Null: not measured. */
export interface WireRow {
  readonly server: WireServer;
  readonly transport: WireTransport;
  readonly compression: WireCompression;
  readonly workload: WorkloadId;
  readonly windowMs: number;
  readonly form: WireForm;
  /** Number published from the first value that arrived to the last, over all services of the workload. */
  readonly updates: number;
  readonly lost: number;
  /** XMPP layer, after stream compression and before TLS. */
  readonly bytesDown: number;
  readonly bytesUp: number;
  /** TLS records, with their headers. */
  readonly tlsDown: number;
  readonly tlsUp: number;
  /** IP packets, with all headers but Ethernet's. */
  readonly wireDown: number | null;
  readonly wireUp: number | null;
  /** XMPP layer, both ways, before the first subscribe. */
  readonly handshakeBytes: number;
  /** Envelope of the component's small blocks at the end: `lean` stanzas, or `ibb`. Null for a rival. */
  readonly envelope: EnvelopeKind | null;
  /** Ages from publishing to the consumer's callback, in ms. */
  readonly ageP50Ms: number | null;
  readonly ageP99Ms: number | null;
  /**
   * The part of `bytesDown` that the server adds by writing `"` as `&quot;`. Null under compression, where it is not
   * known.
   */
  readonly quoteEscapeBytes: number | null;
}

export interface Measured {
  readonly hop: Hop;
  readonly workload: WorkloadId;
  readonly windowMs: number;
  readonly form: WireForm;
  /** Published values of each of the workload's services, like `result.feeds`. */
  readonly published: readonly PublishedValues[];
  readonly result: SubscriberResult;
}

export function createRow({ hop, workload, windowMs, form, published, result }: Measured): WireRow {
  const ages: number[] = [];
  let updates = 0;
  let lost = 0;
  for (const [index, received] of result.feeds.entries()) {
    const log = published[index];
    if (log === undefined) continue;
    const count = compare(log, received, ages);
    updates += count.updates;
    lost += count.lost;
  }
  const { bytesDown, bytesUp, tlsDown, tlsUp, wireDown, wireUp } = result;
  return {
    ...{ server: hop.server, transport: hop.transport, compression: hop.compression },
    ...{ workload, windowMs, form, updates, lost },
    ...{ bytesDown, bytesUp, tlsDown, tlsUp, wireDown, wireUp },
    handshakeBytes: result.handshakeBytes,
    envelope: result.envelope,
    ageP50Ms: percentile(ages, 0.5),
    ageP99Ms: percentile(ages, 0.99),
    quoteEscapeBytes: result.quoteEscapeBytes,
  };
}

/** Compares after everything has been published, and all values that arrive have arrived. */
function compare(
  published: PublishedValues,
  received: ReceivedValues,
  ages: number[],
): { readonly updates: number; readonly lost: number } {
  const log = new PublishedLog();
  for (const hash of published.hashes) log.add(hash);
  const delivery = new Delivery(log);
  for (const [index, hash] of received.hashes.entries()) {
    const at = received.at[index] ?? NaN;
    delivery.receive(hash, received.offsets?.[index], (found) =>
      ages.push(at - (published.at[found] ?? NaN)),
    );
  }
  delivery.conflate(received.conflated);
  return delivery.count(true);
}

/** By server, transport, compression, workload, window, form. */
export function sortWireRows(rows: readonly WireRow[]): WireRow[] {
  const place = (row: WireRow): number[] => [
    WIRE_SERVERS.indexOf(row.server),
    WIRE_TRANSPORTS.indexOf(row.transport),
    WIRE_COMPRESSIONS.indexOf(row.compression),
    WORKLOADS.indexOf(row.workload),
    row.windowMs,
    WIRE_FORMS.indexOf(row.form),
  ];
  return rows
    .map((row) => ({ row, key: place(row) }))
    .sort((a, b) => {
      const at = a.key.findIndex((part, index) => part !== b.key[index]);
      return (a.key[at] ?? 0) - (b.key[at] ?? 0);
    })
    .map(({ row }) => row);
}

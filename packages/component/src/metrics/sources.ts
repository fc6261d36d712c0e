import type { ComponentStats } from "../base/stats.js";
import type { StoreUsage } from "../store/store.js";

/** Sizes and ages that are found by looking at every link and every service. */
export interface Survey {
  /** Links whose updates travel as lean stanzas, and those that stay on In-Band Bytestreams. */
  readonly links: { readonly lean: number; readonly ibb: number };
  /** Links that no data is sent to, because the client's server is away or busy. */
  readonly suspendedLinks: number;
  /** Age of the oldest stanza with data that a client has not acknowledged, in ms. 0: there is none. */
  readonly oldestUnackedMs: number;
  /** Services by kind, and whether their publisher is online. */
  readonly services: readonly { readonly kind: string; readonly online: boolean; readonly count: number }[];
  /** Subscriptions by the way in which their updates leave. */
  readonly subscriptions: ReadonlyMap<string, number>;
  /** Subscriptions that wait: until their consumer gives credit, or until the client acknowledges. */
  readonly waiting: { readonly credit: number; readonly room: number };
  /** Rows that wait in lanes, their bytes, and the age of the oldest, in ms. */
  readonly waitingRows: { readonly count: number; readonly bytes: number; readonly oldestMs: number };
}

/** Everything that the metrics read. */
export interface MetricSources {
  /** Counters, and sizes that the component keeps count of. */
  readonly stats: () => ComponentStats;
  readonly survey: () => Survey;
  /** Whether the stream to the server is up. */
  readonly online: () => boolean;
  /** Named cursors. */
  readonly cursors: () => number;
  /** Bytes of memory of the encoders of all lanes. */
  readonly laneBytes: () => number;
  /** Undefined: there is no store, or the store is not open yet. */
  readonly store: () => StoreUsage | undefined;
}

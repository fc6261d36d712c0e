import type { ComponentStats } from "../base/stats.js";
import type { StoreUsage } from "../store/store.js";

/** Sizes and ages that a look at every link and every service finds. */
export interface Survey {
  /** Links whose updates travel as lean stanzas, and links whose updates travel as In-Band Bytestreams. */
  readonly links: { readonly lean: number; readonly ibb: number };
  /** Links that receive no data, because the client's server is away or busy. */
  readonly suspendedLinks: number;
  /** Longest time for which a link has waited for an acknowledgement of data, in ms. 0: no link waits. */
  readonly oldestUnackedMs: number;
  /** Services by kind, and whether their publisher is online. */
  readonly services: readonly { readonly kind: string; readonly online: boolean; readonly count: number }[];
  /** Subscriptions by the way in which their updates leave. */
  readonly subscriptions: ReadonlyMap<string, number>;
  /**
   * Detached subscriptions. `credit`: they wait until their consumer gives credit. `room`: they wait until their client
   * acknowledges, or they catch up with a log or a map.
   */
  readonly waiting: { readonly credit: number; readonly room: number };
  /** Rows that wait in lanes, their bytes, and the age of the oldest, in ms. */
  readonly waitingRows: { readonly count: number; readonly bytes: number; readonly oldestMs: number };
}

/** Everything that the metrics read. */
export interface MetricSources {
  /** Counters since the start, and sizes that the component counts as they change. */
  readonly stats: () => ComponentStats;
  readonly survey: () => Survey;
  /** Whether the stream to the server is up. */
  readonly online: () => boolean;
  /** Named cursors. */
  readonly cursors: () => number;
  /** Bytes of memory of the encoders of all lanes, of logs that are in no store, and of maps, as their limits count. */
  readonly memory: () => { readonly lanes: number; readonly logs: number; readonly maps: number };
  /** Undefined: there is no store, or the store is not open yet. */
  readonly store: () => StoreUsage | undefined;
  /** Why this node cannot own services. Undefined: it can, or there is one node. */
  readonly nodeProblem?: () => string | undefined;
}

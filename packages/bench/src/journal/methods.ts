import type { Durability, StoreKind } from "./rows.js";

export interface AppendRun {
  readonly store: StoreKind;
  readonly durability: Durability;
  readonly writers: number;
  /** How long appends are counted, in ms. */
  readonly forMs: number;
  /** Empty directory for the store. */
  readonly location: string;
  /** Port of the Redis that is the store. Null: the store is elsewhere. */
  readonly redisPort: number | null;
}

export interface AppendResult {
  readonly appends: number;
  /** Time until all of them were on the disk, in ms. */
  readonly ms: number;
  /** Times of appends, in ms: a random part of them. */
  readonly timesMs: number[];
  /** Bytes that this process wrote to the disk meanwhile. Null: the system does not count them. */
  readonly writtenBytes: number | null;
  /** Bytes that an update takes in the store, on average. */
  readonly keptBytes: number;
}

export interface RestartResult {
  readonly restartMs: number;
  readonly openMs: number;
  /** Services that came back, and updates of all of them. */
  readonly services: number;
  readonly entries: number;
  /** Updates of the first read. */
  readonly rows: number;
}

/** Requests that a process with a store answers. */
export type JournalMethods = {
  append(run: AppendRun): Promise<AppendResult>;
  /** Opens a new store, to be filled. */
  begin(options: { readonly location: string; readonly services: number }): Promise<null>;
  /** Appends this many updates to each service. The last ones may still wait for the end of the interval. */
  fill(options: { readonly updates: number }): Promise<null>;
  /** Resolves when all updates of the store that was filled are on the disk. */
  settle(options: null): Promise<null>;
  /** Closes the store that was filled. */
  finish(options: null): Promise<null>;
  /**
   * Opens a store as a component does that starts, and reads for a first subscriber. `closes`: closes the store again.
   * Call it first and once.
   */
  restart(options: { readonly location: string; readonly closes: boolean }): Promise<RestartResult>;
};

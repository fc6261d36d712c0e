export const STORES = ["memory", "lmdb", "redis"] as const;
export type StoreKind = (typeof STORES)[number];

export const DURABILITIES = ["none", "interval", "sync"] as const;
export type Durability = (typeof DURABILITIES)[number];

/** How the component ended before a restart: everything was on the disk, or its process was killed. */
export type Stop = "clean" | "killed";

/** One measurement: of appends, or of a restart. What it did not measure is null. */
export interface JournalRow {
  readonly [field: string]: string | number | null;
  readonly store: StoreKind;
  readonly durability: Durability;
  /** Services that are appended to at the same time, each by one publisher. */
  readonly writers: number;
  /** Appends that the store acknowledged, a second. An append is one update. The time ends when all are on the disk. */
  readonly appendsPerSecond: number | null;
  /** Time from an append to its acknowledgement that 99 % of them stay below, in ms. */
  readonly p99Ms: number | null;
  /** Bytes written to the disk for each append, as Linux counts them. */
  readonly bytesPerAppend: number | null;
  /** Bytes that an update takes in the store, approximately: on the disk, or in memory. */
  readonly keptBytesPerUpdate: number | null;
  /** Updates in the journals before a restart. */
  readonly entries: number | null;
  readonly stop: Stop | null;
  /** Time from the start of the new process until it has read updates for a first subscriber, in ms. */
  readonly restartMs: number | null;
  /** The part of that time in which the store is opened and its services come back, in ms. */
  readonly openMs: number | null;
}

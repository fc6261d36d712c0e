import type { Later } from "../base/later.js";
import type { NodeStore } from "../nodes/node-store.js";
import type { Durability } from "../options/service-config.js";
import type { ReadableJournal } from "./journal.js";
import type { Retention } from "./base/retention.js";

/** The last sequences of one incarnation of a publisher's outbox. */
export interface StoredProgress {
  readonly incarnation: number;
  /** Last sequence that arrived. */
  readonly arrived: number;
  /** All updates up to this sequence are as safe as the durability promises. */
  readonly stored: number;
}

/** The newest row of a service. */
export interface StoredValue {
  readonly row: Uint8Array;
  /** Time of the row, in ms since 1970. */
  readonly at: number;
}

/** Everything that a store keeps for a service beside its journal. */
export interface StoredRecord {
  readonly node: string;
  /** Plain JSON data. The store does not read it. */
  readonly config: unknown;
  /** Each later life of the node has a greater epoch. */
  readonly epoch: number;
  /** The highest offset of an update so far. 0: there was no update. */
  readonly offset: number;
  /** The time that `at` 0 in a DATA frame means, in ms since 1970. */
  readonly baseAt: number;
  /** Ordered by their last write, the newest last. */
  readonly incarnations: readonly StoredProgress[];
  /** Bare JIDs that the publisher has allowed. */
  readonly approved: readonly string[];
  /** Undefined: the service has no value yet. */
  readonly last: StoredValue | undefined;
  /** When the publisher was last online, in ms since 1970. It may be an hour too early. */
  readonly seenAt: number;
  readonly durability: Durability;
  /** Undefined: nothing was written into the service as a map. */
  readonly map?: MapMarks | undefined;
}

/** A range of offsets, both included. */
export interface OffsetRange {
  readonly from: number;
  readonly to: number;
}

/** New updates of a service: offsets `from` to `to`. `rows` are the newest of them. The others were left out. */
export interface NewRows extends OffsetRange {
  /** The store keeps the rows without a copy, so the caller must not change them. */
  readonly rows: readonly Uint8Array[];
  /** Time of each row, by the monotonic clock, in ms. */
  readonly ats: readonly number[];
  /** When the rows arrived at the component, in ms since 1970. */
  readonly cameAt: number;
}

/** The newest change of one key of a map. */
export interface StoredEntry {
  readonly key: string;
  /** Position of the update that made the change. */
  readonly position: number;
  /** Place of the change in its update, from 0. */
  readonly index: number;
  /** When the change arrived, in ms since 1970. */
  readonly at: number;
  /** The value as msgpack, kept as it is. Undefined: the key was removed. */
  readonly value: Uint8Array | undefined;
}

/** One write into the entries of a map. */
export type MapWrite =
  | { readonly type: "put"; readonly entry: StoredEntry }
  /** Nothing is kept of the key, not even its removal. */
  | { readonly type: "forget"; readonly key: string }
  | { readonly type: "clear" };

/** What a store knows of a map beside its entries. */
export interface MapMarks {
  /** Removals up to this position are forgotten. */
  readonly floor: number;
  /** The last update is a part: the next row continues it. */
  readonly continues: boolean;
  /**
   * Positions that a crash has lost. A subscriber may have seen their updates, which the map does not have. Undefined:
   * there are none.
   */
  readonly doubt?: OffsetRange | undefined;
}

/** A change of a service. Omitted fields stay as they are. All fields of one change are stored together. */
export interface StoredChange {
  readonly config?: unknown;
  readonly approved?: readonly string[];
  readonly incarnations?: readonly StoredProgress[];
  readonly seenAt?: number;
  /** New highest offset, if the change has no `append`. */
  readonly offset?: number;
  /** New last value, for a service that appends no rows. With `append`, the newest row is the last value. */
  readonly last?: StoredValue;
  /** Rows for the journal. `to` becomes the highest offset. */
  readonly append?: NewRows;
  /** Changes of a map, in order. */
  readonly map?: { readonly writes: readonly MapWrite[]; readonly marks: MapMarks };
}

/** The stored updates of a service, for reading. */
export interface StoredJournal extends ReadableJournal {
  /** Offset of the newest update that readers may see. With `sync`, the update is on the disk. 0: none. */
  readonly newest: number;
  /** Bytes in use, approximately. */
  readonly bytes: number;
}

/** A service in a store. One part of the component has it open at a time. */
export interface StoredService {
  /** The record as readers may see it. With `sync`, all of the record is on the disk. */
  readonly record: StoredRecord;
  readonly journal: StoredJournal;
  /** Offsets that a crash may have lost. Updates may have had them, so no later update gets them. */
  readonly gap: OffsetRange | undefined;
  /**
   * The entries of a map, in any order. For a map that is brought back: the caller writes nothing until it has them.
   * Rejects with `store-failed`.
   */
  entries(): Later<Iterable<StoredEntry>>;
  /**
   * Returns the entries of the map as the last stored change has left them. The owner of the map sets it. A store that
   * has lost entries writes them again from here.
   */
  keptEntries?: (() => Iterable<StoredEntry>) | undefined;
  /**
   * Changes the record and appends rows, all or nothing. Resolves when the change is as safe as the durability
   * promises. From then on readers see the change. Changes of a service take effect in order.
   *
   * Rejects with `store-failed` if the disk is full or fails. Then readers see nothing of the change, later changes
   * that wait are rejected too, and the next offset follows `record.offset`.
   */
  write(change: StoredChange): Later<void>;
  /**
   * Changes the durability between `interval` and `sync`. Throws `conflict` for a change from or to `none`: delete the
   * service, and create it again.
   */
  setDurability(durability: Durability): Later<void>;
  /** Deletes the service. The store remembers its epoch, so that the epoch of a later life is greater. */
  delete(): Later<void>;
  /** Closes the service. Stored data stays, and the service can be opened again. */
  close(): void;
}

/** A subscriber's place in a service, under a name of its own. */
export interface StoredCursor {
  readonly node: string;
  readonly cursor: string;
  /** Bare JID of the subscriber. */
  readonly owner: string;
  readonly epoch: number;
  /** The last offset that the subscriber has. */
  readonly offset: number;
  /** When the cursor was written, in ms since 1970. */
  readonly at: number;
}

export type CursorKey = Pick<StoredCursor, "node" | "cursor" | "owner">;

/** The cursors of a store. */
export interface StoredCursors {
  /** Resolves when the cursor is on the disk. Rejects with `store-failed`. */
  put(cursor: StoredCursor): Later<void>;
  get(key: CursorKey): Later<StoredCursor | undefined>;
  /** All cursors. Rejects with `store-failed`. */
  all(): Later<Iterable<StoredCursor>>;
  /** All cursors of a node. */
  ofNode(node: string): Later<StoredCursor[]>;
  /** All cursors of a bare JID. */
  ofOwner(owner: string): Later<StoredCursor[]>;
  /** Deletes a cursor, if it is there. Resolves when that is on the disk. */
  delete(key: CursorKey): Later<void>;
}

export interface StoreUsage {
  /** Bytes of all journals, approximately. */
  readonly journalBytes: number;
  /** Bytes of the store's file. 0: the store is in memory. */
  readonly fileBytes: number;
  readonly services: number;
  /** Bytes that wait for the disk, approximately. */
  readonly unwrittenBytes: number;
  /** Why the last commit failed. Undefined: the last commit did not fail. */
  readonly problem: string | undefined;
}

export interface OpenOptions {
  /** Bounds of the journal. Those of the store hold too. Default: none. */
  readonly retention?: Retention;
}

/** Keeps services, their journals and cursors. */
export interface Store {
  readonly cursors: StoredCursors;
  /** Returns the records of all services, open or not. */
  services(): Iterable<StoredRecord>;
  /** Opens a stored service. Undefined: the service is not stored. Throws `store-failed` if the service is open. */
  open(node: string, options?: OpenOptions): Later<StoredService | undefined>;
  /**
   * Creates a service with an empty journal, and opens it. If the store knows an earlier life of the node, the epoch is
   * one more than the epoch of that life. Otherwise it is `record.epoch`. Resolves when the record is stored. Throws
   * `store-failed` if the node is stored already. Rejects with `store-failed` if the disk is full or fails.
   */
  create(record: StoredRecord, options?: OpenOptions): Later<StoredService>;
  /**
   * Deletes expired data, and drops updates that are too old. Called once a second; each call does a bounded part of
   * the work. `now`: in ms since 1970.
   */
  sweep(now: number): void;
  usage(): StoreUsage;
  /**
   * Called when what the store rests on was restarted, and may have lost the cursors that were written last. Only a store
   * on another machine calls it.
   */
  onRestarted?: (() => void) | undefined;
  /** What nodes share. Undefined: the store belongs to one component. The first call begins to share. */
  readonly share?: (() => NodeStore) | undefined;
  /** Writes all waiting changes, and closes the store. Rejects with `store-failed` if a write fails. Idempotent. */
  close(): Promise<void>;
}

/** How long a store keeps unused data, in ms. */
export interface StoreExpiry {
  /** A service without its publisher. Default 30 days. */
  readonly serviceMs: number;
  /** A cursor that was not written. Default 30 days. */
  readonly cursorMs: number;
  /** The epoch of a deleted service. Default 365 days. */
  readonly epochMs: number;
}

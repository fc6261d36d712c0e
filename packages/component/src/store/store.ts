import type { Later } from "../base/later.js";
import type { Durability } from "../options/service-config.js";
import type { ReadableJournal } from "./journal.js";
import type { JournalBounds } from "./memory-journal.js";

/** How far one incarnation of a publisher's outbox has come. */
export interface StoredProgress {
  readonly incarnation: number;
  /** Last sequence that arrived. */
  readonly arrived: number;
  /** All updates up to this sequence are stored, as well as the durability promises. */
  readonly stored: number;
}

/** The newest row of a service. */
export interface StoredValue {
  readonly row: Uint8Array;
  /** Time of the row, in ms since 1970. */
  readonly at: number;
}

/** All that a store keeps of a service beside its journal. */
export interface StoredRecord {
  readonly node: string;
  /** Plain data, as JSON has it. The store does not look inside. */
  readonly config: unknown;
  /** Of a node with this name, each later life has a greater epoch. */
  readonly epoch: number;
  /** The highest offset given so far. 0: none. */
  readonly offset: number;
  /** Zero of the `at` in DATA frames, in ms since 1970. */
  readonly baseAt: number;
  /** The incarnation that wrote last comes last. */
  readonly incarnations: readonly StoredProgress[];
  /** Bare JIDs that the publisher has allowed. */
  readonly approved: readonly string[];
  /** Undefined: the service has no value yet. */
  readonly last: StoredValue | undefined;
  /** When the publisher was last there, in ms since 1970. */
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

/** New updates of a service: positions `from` to `to`, of which `rows` are the newest. */
export interface NewRows extends OffsetRange {
  /** Kept as they are: the caller does not change them. */
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

/** A change of a service. Fields that are left out stay as they are. All fields of one change are stored together. */
export interface StoredChange {
  readonly config?: unknown;
  readonly approved?: readonly string[];
  readonly incarnations?: readonly StoredProgress[];
  readonly seenAt?: number;
  /** New highest offset, for a change without `append`. */
  readonly offset?: number;
  /** New last value, for a service whose rows are not appended. Otherwise the newest row is the last value. */
  readonly last?: StoredValue;
  /** Rows for the journal. `to` becomes the highest offset. */
  readonly append?: NewRows;
  /** Changes of a map, in order. */
  readonly map?: { readonly writes: readonly MapWrite[]; readonly marks: MapMarks };
}

/** The updates of a service that are stored, for reading. */
export interface StoredJournal extends ReadableJournal {
  /** Offset of the newest update that may be read. With `sync`, the update is on the disk. 0: none. */
  readonly newest: number;
  /** Bytes in use, approximately. */
  readonly bytes: number;
}

/** Bounds of one journal. They are read at each append, so an object with getters can change them. */
export interface Retention extends JournalBounds {
  /** Updates that arrived longer ago than this are dropped, in ms. The newest always stays. */
  readonly maxAgeMs: number;
}

/** A service in a store. One part of the component has it open at a time. */
export interface StoredService {
  /** As readers may see it: with `sync`, all of it is on the disk. */
  readonly record: StoredRecord;
  readonly journal: StoredJournal;
  /** Offsets that a crash may have lost. They were perhaps given to updates, and are not given again. */
  readonly gap: OffsetRange | undefined;
  /** The entries of a map, in any order. For a map that is brought back. */
  entries(): Iterable<StoredEntry>;
  /**
   * Changes the record and appends rows, all or nothing. Resolves when the change is as safe as the durability
   * promises, and readers then see it. Changes of a service take effect in order. Rejects with `store-failed` if the
   * disk is full or fails: then nothing of the change is visible, and later changes that wait are rejected too. The
   * next offset then follows `record.offset`.
   */
  write(change: StoredChange): Later<void>;
  /**
   * Changes the durability between `interval` and `sync`. Throws `conflict` for a change from or to `none`: delete the
   * service, and create it again.
   */
  setDurability(durability: Durability): Later<void>;
  /** The service ends. Its name keeps a trace, so that the epoch of a later life is greater. */
  delete(): Later<void>;
  /** Lets the service be opened again. What was written stays. */
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
  /** Why the disk took nothing at the last try. Undefined: the disk is well. */
  readonly problem: string | undefined;
}

export interface OpenOptions {
  /** Bounds of the journal. Default: those of the store. */
  readonly retention?: Retention;
}

/** Keeps services, their journals and cursors. */
export interface Store {
  readonly cursors: StoredCursors;
  /** The records of all services, also of those that are not open. */
  services(): Iterable<StoredRecord>;
  /** Opens a stored service. Undefined: no such service is stored. Throws `store-failed` if the service is open. */
  open(node: string, options?: OpenOptions): Later<StoredService | undefined>;
  /**
   * Creates a service with an empty journal. Its epoch is `record.epoch`, or if the store knows an earlier life of the
   * node, the epoch after that. Resolves when the record is stored. Throws `store-failed` if the node is stored
   * already, or if the disk is full or fails.
   */
  create(record: StoredRecord, options?: OpenOptions): Later<StoredService>;
  /**
   * Once a second: deletes what has expired, and drops updates that are too old. `now`: in ms since 1970. Each call does
   * a bounded part of the work.
   */
  sweep(now: number): void;
  usage(): StoreUsage;
  /** Writes everything, and closes. Rejects with `store-failed` if that is not possible. Idempotent. */
  close(): Promise<void>;
}

/** How long things stay that nobody uses, in ms. */
export interface StoreExpiry {
  /** A service whose publisher has not been there. Default 30 days. */
  readonly serviceMs: number;
  /** A cursor that was not written. Default 30 days. */
  readonly cursorMs: number;
  /** The epoch of a deleted service. Default 365 days. */
  readonly epochMs: number;
}

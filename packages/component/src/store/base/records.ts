import type { Durability } from "../../options/service-config.js";
import type { MapMarks, StoredCursor, StoredProgress, StoredValue } from "../store.js";

/** The part of a record that seldom changes. */
export interface Head {
  readonly node: string;
  readonly config: unknown;
  readonly epoch: number;
  readonly baseAt: number;
  readonly approved: readonly string[];
  readonly seenAt: number;
  readonly durability: Durability;
}

/** Extent of a service's journal: its first and last offset, and its size. */
export interface Extent {
  /** Offset of the oldest kept update. Earlier updates of its entry count as dropped. */
  readonly first: number;
  /** Last offset in the journal. 0: the journal never had an update. */
  readonly newest: number;
  readonly rows: number;
  readonly bytes: number;
  /** Bytes that the newest row counts for bounds. */
  readonly newestBytes: number;
  /** When the newest update arrived, in ms since 1970. */
  readonly cameAt: number;
  /** When the newest dropped update arrived, in ms since 1970. −1: no update was dropped. */
  readonly droppedAt: number;
}

/** The part of a record that each update changes. */
export interface Position {
  readonly offset: number;
  /** Offsets up to this one may have been given to updates. At least `offset`. */
  readonly reserved: number;
  readonly incarnations: readonly StoredProgress[];
  readonly extent: Extent;
  /** Of a map. */
  readonly map?: MapMarks | undefined;
}

/** The epoch of a service that was deleted. Its key is a hash: the store does not keep the name of who was removed. */
export interface PastEpoch {
  readonly epoch: number;
  /** When the service was deleted, in ms since 1970. */
  readonly at: number;
}

export const EMPTY: Extent = {
  first: 1,
  newest: 0,
  rows: 0,
  bytes: 0,
  newestBytes: 0,
  cameAt: 0,
  droppedAt: -1,
};

/** Encodes a record as JSON, so that a person can read a store with LMDB's own tools. */
export function encodeRecord(
  record: Head | Position | PastEpoch | StoredCursor | { version: number },
): Uint8Array {
  return Buffer.from(JSON.stringify(record));
}

/** Decodes the bytes of `encodeRecord`. The key has told the caller the type, and the checksum that they are whole. */
export function decodeRecord<T>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()) as T;
}

const VALUE_HEAD_BYTES = 8;

/** Layout: the time as a double, big-endian, then the row. */
export function encodeValue({ row, at }: StoredValue): Uint8Array {
  const bytes = Buffer.alloc(VALUE_HEAD_BYTES + row.length);
  bytes.writeDoubleBE(at);
  bytes.set(row, VALUE_HEAD_BYTES);
  return bytes;
}

export function decodeValue(bytes: Uint8Array): StoredValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return { at: view.getFloat64(0), row: bytes.subarray(VALUE_HEAD_BYTES) };
}

/** Returns the bare JID in front of the `/` of a node. */
export function ownerOf(node: string): string {
  return node.slice(0, node.indexOf("/"));
}

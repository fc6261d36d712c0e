import type { Durability } from "../options/service-config.js";
import type { MapMarks, StoredCursor, StoredProgress, StoredValue } from "./store.js";

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

/** What the journal of a service holds. */
export interface Extent {
  /** Offset of the first update that is kept. Earlier updates of the same entry were dropped. */
  readonly first: number;
  /** Last offset in the journal. 0: the journal has had no update. */
  readonly newest: number;
  readonly rows: number;
  readonly bytes: number;
  /** Bytes of the newest row, as they count. */
  readonly newestBytes: number;
  /** When the newest update arrived, in ms since 1970. */
  readonly cameAt: number;
  /** When the newest update that was dropped arrived, in ms since 1970. −1: none was. */
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

/** The epoch of a service that was deleted. */
export interface PastEpoch {
  readonly node: string;
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

/** Text, so that a person can read a store with LMDB's own tools. */
export function encodeRecord(
  record: Head | Position | PastEpoch | StoredCursor | { version: number },
): Uint8Array {
  return Buffer.from(JSON.stringify(record));
}

/** Decodes what `encodeRecord` made. The caller knows the type by the key, and the checksum that it is whole. */
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

/** The bare JID in front of a node. */
export function ownerOf(node: string): string {
  return node.slice(0, node.indexOf("/"));
}

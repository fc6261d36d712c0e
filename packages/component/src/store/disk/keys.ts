import { createHash } from "node:crypto";
import { hashOfMapKey } from "../base/map-entries.js";
import type { CursorKey } from "../store.js";

/** The first byte of a key: one table for each kind of content. A number never gets another meaning. */
export const TABLE = {
  /** Name → a value of the whole store: `version`. */
  meta: 1,
  /** Service number → `Head`. */
  head: 2,
  /** Service number → `Position`. */
  position: 3,
  /** Service number → the last value of a service without a journal. */
  value: 4,
  /** Service number, last offset of the entry → entry of the journal. */
  journal: 5,
  /** Hash of a node → the epoch of a service that was deleted. */
  epoch: 6,
  /** Service number → epoch of a deleted service, while the store still removes its journal. */
  removal: 7,
  /** Hash of the node, hash of owner and cursor → cursor. */
  cursor: 8,
  /** Hash of the owner, hash of the node, hash of owner and cursor → nothing. */
  cursorOfOwner: 9,
  /** Service number, hash of a key → newest change of that key of a map. */
  mapEntry: 10,
} as const;

const HASH_BYTES = 16;

function keyOf(table: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([Uint8Array.of(table), ...parts]);
}

/** Four bytes, big-endian, so that keys sort by number. */
function numberBytes(number: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

/**
 * Returns the first 16 bytes of SHA-256, because nodes and JIDs can be longer than a key may be. About 2^64 names are
 * needed before two of them share a hash.
 */
function hashOf(...names: readonly string[]): Uint8Array {
  return createHash("sha256").update(names.join("\0")).digest().subarray(0, HASH_BYTES);
}

export function metaKey(name: string): Uint8Array {
  return keyOf(TABLE.meta, Buffer.from(name));
}

export type NumberTable = "head" | "position" | "value" | "removal";

export function numberKey(table: NumberTable, number: number): Uint8Array {
  return keyOf(TABLE[table], numberBytes(number));
}

/** Returns the service number in a key of `numberKey`, `entryKey` or `mapEntryKey`. */
export function numberIn(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.length).readUInt32BE(1);
}

/** Returns the key of the entry whose last offset is `offset`. 0: a key before all entries of the service. */
export function entryKey(number: number, offset: number): Uint8Array {
  const bytes = Buffer.alloc(13);
  bytes[0] = TABLE.journal;
  bytes.writeUInt32BE(number, 1);
  bytes.writeUInt32BE(Math.floor(offset / 2 ** 32), 5);
  bytes.writeUInt32BE(offset >>> 0, 9);
  return bytes;
}

/** Returns the last offset of the entry with this key. */
export function offsetIn(key: Uint8Array): number {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.length);
  return bytes.readUInt32BE(5) * 2 ** 32 + bytes.readUInt32BE(9);
}

export function epochKey(node: string): Uint8Array {
  return keyOf(TABLE.epoch, hashOf(node));
}

export function cursorKey({ node, owner, cursor }: CursorKey): Uint8Array {
  return keyOf(TABLE.cursor, hashOf(node), hashOf(owner, cursor));
}

export function ownerKey({ node, owner, cursor }: CursorKey): Uint8Array {
  return keyOf(TABLE.cursorOfOwner, hashOf(owner), hashOf(node), hashOf(owner, cursor));
}

/** The key of the cursor that an `ownerKey` stands for. */
export function cursorOf(key: Uint8Array): Uint8Array {
  return keyOf(TABLE.cursor, key.subarray(1 + HASH_BYTES));
}

export interface KeyRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

function rangeOf(prefix: Uint8Array): KeyRange {
  const to = Uint8Array.from(prefix);
  for (let i = to.length - 1; i >= 0; i--) {
    to[i] = ((to[i] as number) + 1) & 0xff;
    if (to[i] !== 0) return { from: prefix, to: to.subarray(0, i + 1) };
  }
  return { from: prefix, to };
}

export function tableRange(table: keyof typeof TABLE): KeyRange {
  return rangeOf(Uint8Array.of(TABLE[table]));
}

export function cursorsOfNode(node: string): KeyRange {
  return rangeOf(keyOf(TABLE.cursor, hashOf(node)));
}

export function cursorsOfOwner(owner: string): KeyRange {
  return rangeOf(keyOf(TABLE.cursorOfOwner, hashOf(owner)));
}

/** Returns the keys of all entries of a service whose last offset is at least `offset`. */
export function entriesFrom(number: number, offset: number): KeyRange {
  return { from: entryKey(number, offset), to: entryKey(number + 1, 0) };
}

export function mapEntryKey(number: number, key: string): Uint8Array {
  return keyOf(TABLE.mapEntry, numberBytes(number), hashOfMapKey(key));
}

/** All entries of a map. */
export function mapRange(number: number): KeyRange {
  return rangeOf(keyOf(TABLE.mapEntry, numberBytes(number)));
}

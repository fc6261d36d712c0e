import { createHash } from "node:crypto";
import { DEFAULT_LIMITS, decodeRow, encodeUpdate, measureValue } from "@stanzapack/wire";
import type { StoredEntry } from "../store.js";

const HASH_BYTES = 16;

/** Hash of a key of a map. Texts are hashed as UTF-16, because a key may have a lone surrogate. */
export function hashOfMapKey(key: string): Uint8Array {
  return createHash("sha256").update(Buffer.from(key, "utf16le")).digest().subarray(0, HASH_BYTES);
}

/** Layout: `[position, index, at, key]` as msgpack, then the value as msgpack. A removal has no value. */
export function encodeMapEntry({ position, index, at, key, value }: StoredEntry): Uint8Array {
  const head = encodeUpdate([position, index, at, key], DEFAULT_LIMITS);
  return value === undefined ? head : Buffer.concat([head, value]);
}

/** Decodes what `encodeMapEntry` made. */
export function decodeMapEntry(bytes: Uint8Array): StoredEntry {
  const end = measureValue(bytes, 0, DEFAULT_LIMITS);
  const [position, index, at, key] = decodeRow(bytes.subarray(0, end)) as [number, number, number, string];
  // A copy, because a view would keep the head alive. `slice` of a Buffer copies nothing.
  const value = end === bytes.length ? undefined : new Uint8Array(bytes.subarray(end));
  return { position, index, at, key, value };
}

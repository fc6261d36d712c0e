import { MsgpackWriter } from "../msgpack/msgpack-writer.js";
import { murmur3, type Hash64 } from "./murmur3.js";

/** The hash of one entry of a map. The words are integers of 32 bits with a sign. */
export interface EntryHash extends Hash64 {
  /** Word h1 of the hash of the key. It says which ranges the entry is in. */
  readonly place: number;
}

/** A value within the limits of a row may take more bytes here: floats of 32 bits take 64. */
const BOUNDS = { maxBytes: 1_048_576, maxItems: 131_072, maxDepth: 64 };

const writer = new MsgpackWriter(true);

/**
 * Returns the hash of a key with its value: MurmurHash3 of the canonical msgpack of `[key, value]`. Canonical msgpack
 * is the shortest, and the fields of an object are in the order of the UTF-16 code units of their names (as in RFC
 * 8785 §3.2.3). So two values have the same hash if `isSameValue` says that they are equal. Throws `unencodable` or
 * `too-large` for what cannot be a value.
 */
export function hashEntry(key: string, value: unknown): EntryHash {
  const bytes = writer.encodeShared([key, value], BOUNDS);
  const { high, low } = murmur3(bytes);
  // Behind the head of the array stands the key.
  const place = murmur3(bytes, 1, 1 + keyBytes(bytes)).high;
  return { place, high, low };
}

/** Returns the length of the text at the second byte, with its head. */
function keyBytes(bytes: Uint8Array): number {
  const head = bytes[1] as number;
  if (head < 0xc0) return 1 + (head & 0x1f);
  const length = bytes[2] as number;
  return head === 0xd9 ? 2 + length : 3 + ((length << 8) | (bytes[3] as number));
}

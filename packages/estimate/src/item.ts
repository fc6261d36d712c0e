import { decodeRow, DEFAULT_LIMITS, encodeUpdate, type Value } from "@stanzapack/wire";

/** One update, as each form takes it. */
export interface Item {
  readonly value: Value;
  readonly json: string;
  readonly packed: Uint8Array;
  /** Time of publication, in ms from any beginning. */
  readonly at: number;
}

export type Update = Omit<Item, "at">;

/** Throws `unencodable` or `too-large` for a value that cannot be published. */
export function createUpdate(value: Value): Update {
  // Encoded first, because `encodeUpdate` bounds the depth and `JSON.stringify` does not.
  const packed = encodeUpdate(value, DEFAULT_LIMITS);
  // The value as it arrives: without fields that are undefined.
  return { value: decodeRow(packed), json: JSON.stringify(value), packed };
}

import { DEFAULT_LIMITS, encodeUpdate, type Value } from "@stanzapack/wire";

/** One update, as each form takes it. */
export interface Item {
  readonly value: Value;
  readonly json: string;
  readonly packed: Uint8Array;
  /** When it was published, in ms from whatever beginning. */
  readonly at: number;
}

export type Update = Omit<Item, "at">;

/** Throws `unencodable` and `too-large` for what cannot be published. */
export function createUpdate(value: Value): Update {
  // First: it bounds the depth, which `JSON.stringify` does not.
  const packed = encodeUpdate(value, DEFAULT_LIMITS);
  return { value, json: JSON.stringify(value), packed };
}

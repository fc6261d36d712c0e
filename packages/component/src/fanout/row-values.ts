import { decodeRow, type Value } from "@stanzapack/wire";

const VALUE = Symbol("value");

/** A row that knows its value. */
type KnownRow = Uint8Array & { [VALUE]?: Value };

/**
 * Keeps the value of a row, so that no lane decodes it again. A value takes more memory than its row, so call this only
 * for rows that leave soon.
 */
export function rememberValue(row: Uint8Array, value: Value): void {
  (row as KnownRow)[VALUE] = value;
}

/** Returns the value of a row. Nobody may change the value, because others may share it. */
export function valueOf(row: Uint8Array): Value {
  const value = (row as KnownRow)[VALUE];
  return value === undefined ? decodeRow(row) : value;
}

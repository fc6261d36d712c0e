import { decodeRow, type Value } from "@stanzapack/wire";

const VALUE = Symbol("value");

/** A row that knows its value. */
type KnownRow = Uint8Array & { [VALUE]?: Value };

/** Keeps the value of which a row was made, so that no lane reads it again. It takes more memory than the row: for rows that leave soon. */
export function rememberValue(row: Uint8Array, value: Value): void {
  (row as KnownRow)[VALUE] = value;
}

/** The value of a row. Nobody changes it: it may be everybody's. */
export function valueOf(row: Uint8Array): Value {
  const value = (row as KnownRow)[VALUE];
  return value === undefined ? decodeRow(row) : value;
}

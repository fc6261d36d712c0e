import { StanzapackError } from "../base/errors.js";

/**
 * A value that an update may carry. It arrives unchanged, -0 and NaN included. Object keys keep their order
 * (integer-like ones come first, as in every JavaScript object). Integers beyond ±(2^53 − 1) travel as floats.
 */
export type Value =
  null | boolean | number | string | Uint8Array | readonly Value[] | { readonly [key: string]: Value };

/** msgpack `nil`; between frames it is padding. */
export const NIL = 0xc0;

const TWO_32 = 0x1_0000_0000;

export function malformed(text: string): StanzapackError {
  return new StanzapackError("malformed", text, { origin: "peer" });
}

export function endsEarly(): StanzapackError {
  return malformed("a msgpack value ends beyond its block");
}

export function notUsed(head: number): StanzapackError {
  // 0xc1, and the ext family (c7–c9, d4–d8): Stanzapack defines no extension types.
  return malformed(`msgpack byte 0x${head.toString(16)} is not used here`);
}

/** Big-endian, unsigned; the caller has checked that the bytes are there. */
export function readUint(bytes: Uint8Array, at: number, width: 1 | 2 | 4): number {
  const first = bytes[at] as number;
  if (width === 1) return first;
  const two = (first << 8) | (bytes[at + 1] as number);
  if (width === 2) return two;
  return two * 0x10000 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
}

/** A 64-bit integer. Throws `malformed` beyond ±(2^53 − 1): a double would hold another number than was sent. */
export function readInt64(bytes: Uint8Array, at: number, signed: boolean): number {
  const high = readUint(bytes, at, 4);
  const value = (signed ? high | 0 : high) * TWO_32 + readUint(bytes, at + 4, 4);
  if (!Number.isSafeInteger(value)) throw malformed("a 64-bit integer is beyond 2^53 − 1");
  return value;
}

/**
 * Returns the same bytes as a plain Uint8Array. A Node `Buffer` is a Uint8Array too, but its `slice` does not copy, and
 * users would receive a `Buffer`.
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Sets an own property, also for the key that would set a prototype. */
export function setField(fields: { [key: string]: Value }, key: string, value: Value): void {
  if (key !== "__proto__") fields[key] = value;
  else Object.defineProperty(fields, key, { value, writable: true, enumerable: true, configurable: true });
}

import type { CodedForm, DataForm, HopClass } from "../frames/frames.js";

/** Approximate bytes of a body's header, beyond the header of a chained body. */
const HEADER_BYTES: Record<DataForm | CodedForm, number> = {
  chained: 0,
  independent: 8,
  key: 13,
  map: 13,
  wide: 18,
  rows: 18,
  deflated: 18,
};

/**
 * Returns the approximate number of bytes that a body adds to its stanza on a hop. `hop-cost.test.ts` compares it with
 * zlib.
 *
 * - A plain hop carries base64.
 * - Stream compression (zlib, one flush for each stanza) finds nothing in coded and deflated bytes. A character of
 *   base64 has six bits. It takes eight at first, and six when the stanza is long enough for code tables of its own.
 * - In msgpack rows, stream compression finds what raw deflate without context finds: `deflatedBytes` is that size. A
 *   lane of the codec does not know it, and counts as if nothing were found. Base64 hides part of long runs. Stream
 *   compression finds more of single small rows, and part of a header that hardly changes.
 */
export function hopCost(
  form: DataForm | CodedForm,
  payloadBytes: number,
  hop: HopClass,
  deflatedBytes = payloadBytes,
): number {
  const bytes = payloadBytes + HEADER_BYTES[form];
  if (hop === "plain") return (bytes * 4) / 3;
  switch (form) {
    case "rows":
      return 10.5 + 0.9 * deflatedBytes + 0.25 * Math.max(0, deflatedBytes - 1_000);
    case "deflated":
      return 10.5 + Math.min(1.2 * payloadBytes, 40 + payloadBytes);
    default:
      return Math.min(1.5 + 1.34 * bytes, 40 + bytes);
  }
}

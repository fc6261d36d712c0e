import type { CodedForm, DataForm, HopClass } from "../frames/frames.js";

/** Bytes of body header beside what a chained body has, about. */
const HEADER_BYTES: Record<DataForm | CodedForm, number> = {
  chained: 0,
  independent: 8,
  key: 13,
  wide: 18,
  rows: 18,
  deflated: 18,
};

/**
 * What a body adds to its stanza on a hop, in bytes, about. A plain hop carries base64. Stream compression (zlib, a flush
 * a stanza) finds nothing in coded and deflated bytes: base64's six bits a character take eight at first, and six when the
 * stanza is long enough for code tables of its own. In msgpack rows it finds what raw deflate without context finds (`deflatedBytes`, which
 * nobody has for a lane of the codec: then nothing is found), through base64
 * less of long runs; of single small rows more; and some of a header that hardly changes. `hop-cost.test.ts` holds this against zlib.
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

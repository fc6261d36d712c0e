import type { CodedForm, DataForm, HopClass } from "../frames.js";

/**
 * What a payload adds to its stanza on a hop, in bytes, about. A plain hop carries base64. Stream compression (zlib, a
 * flush a stanza) finds nothing in coded and deflated bytes: base64's six bits a character take eight at first, and six
 * when the stanza is long enough for code tables of its own. In msgpack rows it finds what the stanzas before had.
 * `hop-cost.test.ts` holds this against zlib.
 */
export function hopCost(form: DataForm | CodedForm, payloadBytes: number, hop: HopClass): number {
  if (hop === "plain") return (payloadBytes * 4) / 3;
  if (form === "rows") return Math.min(1.05 * payloadBytes, 20 + 0.25 * payloadBytes);
  return Math.min(3 + 1.36 * payloadBytes, 48 + payloadBytes);
}

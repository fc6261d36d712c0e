import type { RowSetId } from "../workloads/rows.js";
import type { StanzaEnvelope } from "./stanza.js";

/** Numbers of updates in a stanza. */
export const BATCHES = [1, 10, 50, 100] as const;

/** One row of `stanzapack bench codec`. Bytes and µs of processor time are per update. Null: not measured. */
export interface CodecRow {
  /** `geomean`: the mean over those of the 22 workloads that were measured. */
  readonly workload: RowSetId | "geomean";
  readonly batch: number;
  /** The codec's output, before base64 and frame. */
  readonly payloadBytesPerUpdate: number;
  /** Whole stanzas: ours, and JSON in the same batches. */
  readonly frameBytesPerUpdate: number;
  readonly rivalBytesPerUpdate: number;
  /** The same stanzas, each sort inside one zlib stream. */
  readonly frameZlibBytesPerUpdate: number;
  readonly rivalZlibBytesPerUpdate: number;
  /** All values at once, column by column: the size that a compressor reaches if it knows all values in advance. */
  readonly brotliBytesPerUpdate: number;
  /** Null if `xz` is not installed. */
  readonly xzBytesPerUpdate: number | null;
  /** Envelope of most of our stanzas if the stream is not compressed. Null in rows of means. */
  readonly envelope: StanzaEnvelope | null;
  /** Number of bodies that need no body before them. */
  readonly keyframes: number | null;
  /** Number of places in the rows that hold numbers. */
  readonly numericFields: number | null;
  /** From values to frames, and back. */
  readonly encodeUsPerUpdate: number;
  readonly decodeUsPerUpdate: number;
  /** `JSON.stringify` and pako's raw deflate, flushed after each batch, and back. */
  readonly jsonDeflateUsPerUpdate: number;
  readonly jsonInflateUsPerUpdate: number;
  /** Memory of the sending end of a lane after all rows. */
  readonly memoryBytes: number | null;
}

import type { RowSetId } from "../workloads/rows.js";
import type { StanzaEnvelope } from "./stanza.js";

/** Updates of a stanza. */
export const BATCHES = [1, 10, 50, 100] as const;

/** One row of `stanzapack bench codec`. Bytes and µs of processor time are per update; null: not measured. */
export interface CodecRow {
  /** `geomean`: over those of the 22 that were measured. */
  readonly workload: RowSetId | "geomean";
  readonly batch: number;
  /** What the codec made, before base64 and frame. */
  readonly payloadBytesPerUpdate: number;
  /** Whole stanzas of ours, and of JSON in the same batches. */
  readonly frameBytesPerUpdate: number;
  readonly rivalBytesPerUpdate: number;
  /** The same inside one zlib stream each. */
  readonly frameZlibBytesPerUpdate: number;
  readonly rivalZlibBytesPerUpdate: number;
  /** All values at once, column by column: what hindsight could reach. */
  readonly brotliBytesPerUpdate: number;
  /** Null where `xz` is not installed. */
  readonly xzBytesPerUpdate: number | null;
  /** In which most stanzas of ours travel where the stream is not compressed; null: of means. */
  readonly envelope: StanzaEnvelope | null;
  /** Bodies that need none before them. */
  readonly keyframes: number | null;
  /** Places in the rows that hold numbers. */
  readonly numericFields: number | null;
  /** From values to frames, and back. */
  readonly encodeUsPerUpdate: number;
  readonly decodeUsPerUpdate: number;
  /** `JSON.stringify` and pako's raw deflate with a flush a batch, and back. */
  readonly jsonDeflateUsPerUpdate: number;
  readonly jsonInflateUsPerUpdate: number;
  /** What the sending end of a lane holds after all rows. */
  readonly memoryBytes: number | null;
}

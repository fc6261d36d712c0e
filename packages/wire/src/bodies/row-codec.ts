import { concatBytes } from "../base/bytes.js";
import { StanzapackError } from "../base/errors.js";
import { hopCost } from "./hop-cost.js";
import type { DataForm, HopClass } from "../frames/frames.js";
import { assertWithin, type Limits } from "../base/limits.js";
import { plainBytes, type Value } from "../msgpack/msgpack.js";
import { measureValue } from "../msgpack/msgpack-measure.js";
import { decodeMsgpack } from "../msgpack/msgpack-reader.js";
import type { RawDeflate } from "./raw-deflate.js";

export interface EncodedRows {
  readonly form: DataForm;
  readonly payload: Uint8Array;
}

export interface WeighedRows {
  readonly encoded: EncodedRows;
  /** Cost on the hop, by `hopCost`, in bytes. */
  readonly cost: number;
}

/** Turns the rows of a batch into one payload that needs no other payload, and back. */
export interface RowCodec {
  /** Encodes the rows in the form that is smaller on that hop. */
  encode(rows: readonly Uint8Array[], hop: HopClass): EncodedRows;
  /** As `encode`, with the cost on that hop. */
  weigh(rows: readonly Uint8Array[], hop: HopClass): WeighedRows;
  /** Returns the msgpack of each row, as views into one buffer. Each row is well-formed and within the limits. */
  decode(encoded: EncodedRows): Uint8Array[];
}

/** Below this, deflate without context cannot win: its block header and code tables cost more than they save. */
const MIN_DEFLATE_BYTES = 40;

/**
 * Codec of msgpack rows. With `deflate` it also deflates rows, for lanes of rows whose peers list that form, and reads
 * what such a peer sends. Without `deflate`, `encode` returns plain rows alone. `decode` of the other form then throws
 * `protocol`, because HELLO did not list it.
 */
export function createRowCodec(limits: Limits, deflate?: RawDeflate): RowCodec {
  function weigh(rows: readonly Uint8Array[], hop: HopClass): WeighedRows {
    const plain = rows.length === 1 ? (rows[0] as Uint8Array) : concatBytes(rows);
    const encoded = { form: "rows", payload: plain } as const;
    if (deflate === undefined || plain.length < MIN_DEFLATE_BYTES)
      return { encoded, cost: hopCost("rows", plain.length, hop) };
    const packed = deflate.deflate(plain);
    const cost = hopCost("rows", plain.length, hop, packed?.length ?? plain.length);
    if (packed === undefined) return { encoded, cost };
    const packedCost = hopCost("deflated", packed.length, hop);
    return packedCost < cost
      ? { encoded: { form: "deflated", payload: packed }, cost: packedCost }
      : { encoded, cost };
  }

  function inflate(payload: Uint8Array): Uint8Array {
    if (deflate !== undefined) return deflate.inflate(payload, limits.maxInflatedBytes);
    throw new StanzapackError("protocol", "DATA is deflated, which HELLO did not list", { origin: "peer" });
  }

  return {
    weigh,
    encode: (rows, hop) => weigh(rows, hop).encoded,
    decode({ form, payload }) {
      const bytes = form === "rows" ? plainBytes(payload) : inflate(payload);
      const rows: Uint8Array[] = [];
      let at = 0;
      while (at < bytes.length) {
        const end = measureValue(bytes, at, limits);
        assertWithin(end - at, limits.maxUpdateBytes, "update");
        assertWithin(rows.length + 1, limits.maxRowsPerFrame, "rows of a frame");
        rows.push(bytes.subarray(at, end));
        at = end;
      }
      if (rows.length === 0) throw new StanzapackError("malformed", "DATA without rows", { origin: "peer" });
      return rows;
    },
  };
}

/** The value of one row; bytes in it are views into the row. Throws `malformed`. */
export function decodeRow(row: Uint8Array): Value {
  return decodeMsgpack(row);
}

import { concatBytes } from "../base/bytes.js";
import { assertWithin, type Limits } from "../base/limits.js";
import { StanzapackError } from "../base/errors.js";
import type { ReadBudget } from "../codec/coder/read-budget.js";
import { ColumnCodec, DEFAULT_CODEC_LIMITS, type CodecLimits } from "../codec/column-codec.js";
import type { SnapshotBodyFields } from "../frames/data-codec.js";
import type { SnapshotFrame } from "../frames/frames.js";
import { checkMapKey } from "../msgpack/map-update.js";
import { malformed, plainBytes, type Value } from "../msgpack/msgpack.js";
import { measureValue } from "../msgpack/msgpack-measure.js";
import { decodeMsgpack } from "../msgpack/msgpack-reader.js";
import { encodeUpdate } from "../msgpack/update.js";

/** Most bytes of a SNAPSHOT frame before its payload: the prefix, and the header of the body. */
export const SNAPSHOT_HEADER_BYTES = 48;

/** Most bytes that an entry takes beside its key and value: the head of its array, and its position. */
export const ENTRY_HEAD_BYTES = 10;

/** The newest change of one key. `value` undefined: the key was removed. `V`: how values are held. */
export interface MapEntry<V> {
  readonly position: number;
  readonly key: string;
  readonly value: V | undefined;
}

/** What SNAPSHOT says of its entries. */
export type SnapshotHead = Omit<SnapshotBodyFields, "form" | "payload">;

/**
 * Returns a SNAPSHOT with these entries, whose values are msgpack. They are in the order of their positions, from
 * `from` on and up to `to` + 1. `coded`: the receiver reads the columnar codec, and no entry helps an outsider to guess
 * another. The smaller form is chosen.
 */
export function encodeSnapshot(
  head: SnapshotHead,
  entries: readonly MapEntry<Uint8Array>[],
  coded: boolean,
  limits: Limits,
): SnapshotBodyFields {
  const rows = entries.map((entry) => encodeEntry(entry, head.from, limits));
  const plain = concatBytes(rows);
  const payload = coded && rows.length > 0 ? code(rows, limits) : undefined;
  return payload !== undefined && payload.length < plain.length
    ? { ...head, form: "coded", payload }
    : { ...head, form: "rows", payload: plain };
}

/** Returns undefined for entries that take more than a message of the codec may. */
function code(rows: readonly Uint8Array[], packed: Limits): Uint8Array | undefined {
  const codec = new ColumnCodec({ ...DEFAULT_CODEC_LIMITS, packed });
  try {
    return codec.encode({ rows: rows.map(decodeMsgpack), conflated: 0, at: 0, spanMs: 0 });
  } catch (error) {
    if (error instanceof StanzapackError && error.scope === "update") return undefined;
    throw error;
  }
}

/** An entry is `[position − from, key, value]`, or without a value if the key was removed. */
function encodeEntry(
  { position, key, value }: MapEntry<Uint8Array>,
  from: number,
  limits: Limits,
): Uint8Array {
  const whole = { ...limits, maxUpdateBytes: Infinity };
  const parts = [
    Uint8Array.of(value === undefined ? 0x92 : 0x93),
    encodeUpdate(position - from, whole),
    encodeUpdate(key, whole),
    value ?? new Uint8Array(0),
  ];
  return concatBytes(parts);
}

/**
 * Returns the entries of a SNAPSHOT, and subtracts what they hold from `budget`. Throws `malformed` or
 * `limit-exceeded`, which end the link.
 */
export function readSnapshot(
  frame: Pick<SnapshotFrame, "from" | "to" | "form" | "payload">,
  limits: Limits,
  codecLimits: CodecLimits,
  budget?: ReadBudget,
): MapEntry<Value>[] {
  budget?.begin();
  const rows =
    frame.form === "coded"
      ? new ColumnCodec(codecLimits).decode(frame.payload, budget).rows
      : splitRows(frame.payload, limits);
  let last = frame.from;
  return rows.map((row) => {
    const entry = readEntry(row, frame.from, limits);
    if (entry.position < last || entry.position > frame.to + 1)
      throw malformed(`SNAPSHOT: an entry of position ${entry.position} is not in its order or range`);
    last = entry.position;
    return entry;
  });
}

function splitRows(payload: Uint8Array, limits: Limits): Value[] {
  const bytes = plainBytes(payload);
  const rows: Value[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = measureValue(bytes, at, limits);
    assertWithin(rows.length + 1, limits.maxRowsPerFrame, "entries of a frame");
    rows.push(decodeMsgpack(bytes.subarray(at, end)));
    at = end;
  }
  return rows;
}

function readEntry(row: Value, from: number, limits: Limits): MapEntry<Value> {
  if (!Array.isArray(row) || row.length < 2 || row.length > 3)
    throw malformed("SNAPSHOT: an entry is no array of a position, a key and a value");
  const [after, key, value] = row as readonly Value[];
  const position = typeof after === "number" ? from + after : NaN;
  if (!Number.isSafeInteger(position) || position < from)
    throw malformed("SNAPSHOT: the position of an entry is no whole number");
  return { position, key: checkMapKey(typeof key === "string" ? key : undefined, limits), value };
}

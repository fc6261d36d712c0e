import { byteCountOf, concatBytes } from "../base/bytes.js";
import { assertWithin, type Limits } from "../base/limits.js";
import { StanzapackError } from "../base/errors.js";
import { malformed, NIL, type Value } from "./msgpack.js";
import { measureValue } from "./msgpack-measure.js";
import { MsgpackReader } from "./msgpack-reader.js";
import { encodeUpdate } from "./update.js";

/** One change of a map. `V`: how values are held, as msgpack by default. */
export type MapChange<V = Uint8Array> =
  | { readonly type: "set"; readonly key: string; readonly value: V }
  | { readonly type: "delete"; readonly key: string }
  /** Every key is removed. */
  | { readonly type: "clear" };

/** One update of a map, or a part of one. The changes apply in order. */
export interface MapUpdate<V = Uint8Array> {
  readonly changes: readonly MapChange<V>[];
  /** The next row continues this update. A reader shows nothing of the update before it has all of it. */
  readonly continues: boolean;
}

/** Throws `unencodable` if the text is no key of a map: it is empty, or has more than `maxMapKeyChars`. */
export function assertMapKey(key: string, { maxMapKeyChars }: Limits): void {
  if (typeof key !== "string") throw new StanzapackError("unencodable", `a key of a map is no ${typeof key}`);
  if (key.length > 0 && key.length <= maxMapKeyChars) return;
  throw new StanzapackError(
    "unencodable",
    `a key of a map has 1 to ${maxMapKeyChars} characters, and this one has ${key.length}`,
  );
}

/** What an entry of a map counts beside its key and its value, in bytes: its share of tables, numbers and pages. */
const ENTRY_BYTES = 80;
/** What the hash of an entry with a value counts, in bytes. It counts from the beginning, not only when it is there. */
const ENTRY_HASH_BYTES = 60;

/**
 * Returns the bytes that an entry of a map counts in bounds: 140, two for each UTF-16 code unit of the key, and
 * the value's msgpack. A removal, without a value, counts 80 and its key.
 */
export function weighMapEntry(key: string, value: Uint8Array | undefined): number {
  return ENTRY_BYTES + 2 * key.length + (value === undefined ? 0 : ENTRY_HASH_BYTES + value.length);
}

/**
 * Returns the row of an update: an array of changes. `[key, value]` sets, `[key]` removes, `[]` clears. A last element
 * nil says that the next row continues the update. Throws `too-large` over `maxUpdateBytes`.
 */
export function encodeMapUpdate({ changes, continues }: MapUpdate, limits: Limits): Uint8Array {
  const count = changes.length + (continues ? 1 : 0);
  const parts = [
    arrayHead(count),
    ...changes.flatMap(encodeChange),
    ...(continues ? [Uint8Array.of(NIL)] : []),
  ];
  if (byteCountOf(parts) > limits.maxUpdateBytes)
    throw new StanzapackError("too-large", `its msgpack is over ${limits.maxUpdateBytes} bytes`);
  return concatBytes(parts);
}

/** Room for the head of an update's array, and for the mark that another row follows, in bytes. */
export const MAP_ROW_HEAD_BYTES = 6;

/** Returns one update in as few rows as possible, but at least one. Throws `too-large` for a change over a row. */
export function encodeMapRows(changes: readonly MapChange[], limits: Limits): Uint8Array[] {
  const parts: MapChange[][] = [[]];
  let bytes = MAP_ROW_HEAD_BYTES;
  for (const change of changes) {
    const more = mapChangeBytes(change);
    if (bytes + more > limits.maxUpdateBytes) {
      parts.push([]);
      bytes = MAP_ROW_HEAD_BYTES;
    }
    bytes += more;
    (parts.at(-1) as MapChange[]).push(change);
  }
  return parts.map((part, i) => encodeMapUpdate({ changes: part, continues: i < parts.length - 1 }, limits));
}

function encodeChange(change: MapChange): Uint8Array[] {
  if (change.type === "clear") return [Uint8Array.of(0x90)];
  const key = encodeText(change.key);
  return change.type === "set" ? [Uint8Array.of(0x92), key, change.value] : [Uint8Array.of(0x91), key];
}

/** A text that has passed `assertMapKey`, as msgpack. */
function encodeText(text: string): Uint8Array {
  return encodeUpdate(text, ANY_TEXT);
}

const ANY_TEXT = { maxUpdateBytes: Infinity, maxItems: 1, maxDepth: 1 } as Limits;

function arrayHead(count: number): Uint8Array {
  if (count < 16) return Uint8Array.of(0x90 | count);
  if (count < 0x10000) return Uint8Array.of(0xdc, count >> 8, count & 0xff);
  return Uint8Array.of(0xdd, (count >>> 24) & 0xff, (count >> 16) & 0xff, (count >> 8) & 0xff, count & 0xff);
}

/** The bytes that `encodeMapUpdate` takes for a change. */
export function mapChangeBytes(change: MapChange): number {
  return byteCountOf(encodeChange(change));
}

/**
 * Reads the row of an update. Values are views into the row, which `measureValue` has accepted. Throws `malformed` or
 * `limit-exceeded`.
 */
export function decodeMapUpdate(row: Uint8Array, limits: Limits): MapUpdate {
  const reader = new MsgpackReader(row);
  const count = reader.array();
  if (count === undefined) throw malformed("an update of a map is no array of changes");
  const changes: MapChange[] = [];
  let continues = false;
  for (let i = 0; i < count; i++) {
    if (i === count - 1 && reader.peek() === NIL) {
      reader.at++;
      continues = true;
    } else changes.push(readChange(reader, row, limits));
  }
  if (!reader.done) throw malformed("bytes follow an update of a map");
  return { changes, continues };
}

function readChange(reader: MsgpackReader, row: Uint8Array, limits: Limits): MapChange {
  const elements = reader.array();
  if (elements === 0) return { type: "clear" };
  if (elements !== 1 && elements !== 2)
    throw malformed("a change of a map is no array of at most a key and a value");
  const key = checkMapKey(reader.valueText(), limits);
  if (elements === 1) return { type: "delete", key };
  const start = reader.at;
  reader.at = measureValue(row, start, limits);
  return { type: "set", key, value: row.subarray(start, reader.at) };
}

/** Reads the row of an update that is decoded already. Throws `malformed` or `limit-exceeded`. */
export function readMapUpdate(row: Value, limits: Limits): MapUpdate<Value> {
  if (!Array.isArray(row)) throw malformed("an update of a map is no array of changes");
  const items = row as readonly Value[];
  const continues = items.at(-1) === null;
  const changes = (continues ? items.slice(0, -1) : items).map((item) => readDecoded(item, limits));
  return { changes, continues };
}

function readDecoded(item: Value, limits: Limits): MapChange<Value> {
  if (!Array.isArray(item) || item.length > 2)
    throw malformed("a change of a map is no array of at most a key and a value");
  const [key, value] = item as readonly Value[];
  if (item.length === 0) return { type: "clear" };
  const checked = checkMapKey(typeof key === "string" ? key : undefined, limits);
  return item.length === 1
    ? { type: "delete", key: checked }
    : { type: "set", key: checked, value: value as Value };
}

/** Returns the key of a map as it arrived. Throws `malformed` or `limit-exceeded`. */
export function checkMapKey(key: string | undefined, { maxMapKeyChars }: Limits): string {
  if (key === undefined || key === "") throw malformed("a key of a map is no text, or is empty");
  assertWithin(key.length, maxMapKeyChars, "key of a map");
  return key;
}

import { decodeMapUpdate, decodeRow, encodeMapUpdate, encodeUpdate, StanzapackError } from "@stanzapack/wire";
import { DEFAULT_LIMITS, type MapChange, type Value } from "@stanzapack/wire";
import { isWhole, seal } from "../store/records.js";

/** A change of one key that a command is expected to make. Undefined: the key is removed. */
export type KeyChange = readonly [key: string, value: Value | undefined];

/** A command, as the store keeps it. */
export interface CommandRecord {
  /** Names the call for the publisher, also after a restart of this program. */
  readonly id: Uint8Array;
  readonly node: string;
  readonly method: string;
  /** As msgpack. */
  readonly args: Uint8Array;
  /** As msgpack. Undefined: nothing is expected. */
  readonly expected: Uint8Array | undefined;
  readonly changes: readonly KeyChange[];
  /** In ms since 1970, as the next. */
  readonly queuedAt: number;
  readonly expiresAt: number;
  readonly timeoutMs: number;
}

/** Sequences of the commands that were sent, each with the time in ms since 1970. */
export type SentTimes = ReadonlyMap<number, number>;

const VERSION = 1;
/** Checksum and version before the rest, in bytes. */
const HEAD_BYTES = 5;
/** Bytes of an id, as CALL has them. */
const MAX_ID_BYTES = 16;
/** A record has arguments, an expected result and changes, each within the bound of one update. */
const RECORD_LIMITS = { ...DEFAULT_LIMITS, maxUpdateBytes: 4 * DEFAULT_LIMITS.maxUpdateBytes };
const ANY_SIZE = { ...DEFAULT_LIMITS, maxUpdateBytes: Infinity };
/** A value stands in an array of changes, and a change is an array. */
const VALUE_LIMITS = { ...DEFAULT_LIMITS, maxDepth: DEFAULT_LIMITS.maxDepth - 2 };

/** Layout: CRC-32 of the bytes behind it, the version, the rest as msgpack. Throws `too-large` and `unencodable`. */
export function encodeCommand(record: CommandRecord): Uint8Array {
  const { id, node, method, args, expected, changes, queuedAt, expiresAt, timeoutMs } = record;
  const update = encodeMapUpdate({ changes: changes.map(toMapChange), continues: false }, ANY_SIZE);
  if (update.length > DEFAULT_LIMITS.maxUpdateBytes) {
    const text = `the changes of a command take over ${DEFAULT_LIMITS.maxUpdateBytes} bytes`;
    throw new StanzapackError("too-large", text, { scope: "call" });
  }
  return sealed([id, node, method, args, expected ?? null, update, queuedAt, expiresAt, timeoutMs]);
}

/** Returns undefined if the bytes are damaged. Throws `store-failed` for those of another version. */
export function decodeCommand(bytes: Uint8Array): CommandRecord | undefined {
  const fields = opened(bytes);
  if (fields?.length !== 9) return undefined;
  const [id, node, method, args, expected, update, queuedAt, expiresAt, timeoutMs] = fields;
  if (!(id instanceof Uint8Array) || id.length === 0 || id.length > MAX_ID_BYTES) return undefined;
  if (typeof node !== "string" || typeof method !== "string" || !(args instanceof Uint8Array))
    return undefined;
  if (expected !== null && !(expected instanceof Uint8Array)) return undefined;
  if (typeof queuedAt !== "number" || typeof expiresAt !== "number" || typeof timeoutMs !== "number")
    return undefined;
  const changes = update instanceof Uint8Array ? readChanges(update) : undefined;
  if (changes === undefined) return undefined;
  return {
    ...{ id: id.slice(), node, method, args: args.slice(), expected: expected?.slice() },
    ...{ changes, queuedAt, expiresAt, timeoutMs },
  };
}

export function encodeSentTimes(sent: SentTimes): Uint8Array {
  return sealed([...sent].flat());
}

/** Returns undefined if the bytes are damaged. Throws `store-failed` for those of another version. */
export function decodeSentTimes(bytes: Uint8Array): SentTimes | undefined {
  const numbers = opened(bytes);
  if (numbers?.every((it): it is number => typeof it === "number") !== true) return undefined;
  const sent = new Map<number, number>();
  for (let i = 0; i + 1 < numbers.length; i += 2) sent.set(numbers[i] as number, numbers[i + 1] as number);
  return sent;
}

function toMapChange([key, value]: KeyChange): MapChange {
  return value === undefined
    ? { type: "delete", key }
    : { type: "set", key, value: encodeUpdate(value, VALUE_LIMITS) };
}

function readChanges(update: Uint8Array): KeyChange[] | undefined {
  try {
    return decodeMapUpdate(update, DEFAULT_LIMITS).changes.map((change) => {
      if (change.type === "clear") throw new StanzapackError("malformed", "a command that clears a map");
      return [change.key, change.type === "set" ? decodeRow(change.value.slice()) : undefined];
    });
  } catch {
    return undefined;
  }
}

function sealed(fields: readonly unknown[]): Uint8Array {
  const packed = encodeUpdate(fields, RECORD_LIMITS);
  const bytes = new Uint8Array(HEAD_BYTES + packed.length);
  bytes[HEAD_BYTES - 1] = VERSION;
  bytes.set(packed, HEAD_BYTES);
  return seal(bytes);
}

function opened(bytes: Uint8Array): readonly Value[] | undefined {
  if (bytes.length <= HEAD_BYTES || !isWhole(bytes)) return undefined;
  const version = bytes[HEAD_BYTES - 1];
  if (version !== VERSION)
    throw new StanzapackError(
      "store-failed",
      `the store has commands of version ${version}, and this program reads version ${VERSION}`,
    );
  try {
    const fields = decodeRow(bytes.subarray(HEAD_BYTES));
    return Array.isArray(fields) ? (fields as readonly Value[]) : undefined;
  } catch {
    return undefined;
  }
}

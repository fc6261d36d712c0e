import type { Head } from "../base/records.js";
import { decodeRecord, decodeValue, encodeValue } from "../base/records.js";
import type { MapMarks, StoredProgress, StoredRecord, StoredValue } from "../store.js";
import type { Found, FoundEntry } from "./redis-journal.js";
import type { Reply } from "./redis-link.js";

/** The part of a record that seldom changes. The epoch is a field of its own, because scripts compare it. */
export type RedisHead = Omit<Head, "epoch">;

/**
 * The fields of a record's hash. A person reads all of them but `last` with Redis's own tools. Beside them are
 * `epoch`, `token` and `seq`, which scripts write, and `nonce`.
 */
export interface Fields {
  readonly head?: RedisHead;
  readonly offset?: number;
  readonly incarnations?: readonly StoredProgress[];
  readonly map?: MapMarks | undefined;
  /** The last value of a service without a journal. */
  readonly last?: StoredValue | undefined;
  /** First offset of the journal. */
  readonly first?: number;
  /** When the newest dropped update arrived, in ms since 1970. −1: no update was dropped. */
  readonly droppedAt?: number;
}

/** Returns the names and values of the fields that are given. */
export function encodeFields({ last, offset, first, droppedAt, ...plain }: Fields): (string | Buffer)[] {
  const args: (string | Buffer)[] = [];
  for (const [name, value] of Object.entries({ offset, first, droppedAt }))
    if (value !== undefined) args.push(name, String(value));
  for (const [name, value] of Object.entries(plain))
    if (value !== undefined) args.push(name, JSON.stringify(value));
  if (last !== undefined) args.push("last", Buffer.from(encodeValue(last)));
  return args;
}

/** A record as Redis has it, with what the owner of the service needs. */
export interface FoundRecord {
  readonly record: StoredRecord;
  readonly token: number;
  readonly first: number;
  readonly droppedAt: number;
}

/** Decodes a reply of HGETALL. Undefined: there is no record. Throws if the record is damaged. */
export function decodeFields(reply: Reply): FoundRecord | undefined {
  const fields = new Map<string, Buffer>();
  const list = reply as readonly Buffer[];
  for (let i = 0; i + 1 < list.length; i += 2) fields.set(String(list[i]), list[i + 1] as Buffer);
  if (fields.size === 0) return undefined;
  const json = <T>(name: string): T | undefined => {
    const bytes = fields.get(name);
    return bytes && decodeRecord<T>(bytes);
  };
  const number = (name: string): number => Number(String(fields.get(name)));
  const head = json<RedisHead>("head");
  const last = fields.get("last");
  const [epoch, offset, token, first] = ["epoch", "offset", "token", "first"].map(number);
  if (head === undefined || ![epoch, offset, token, first].every(Number.isSafeInteger))
    throw new Error("fields of the record are missing");
  return {
    record: {
      ...head,
      epoch: epoch as number,
      offset: offset as number,
      incarnations: json<readonly StoredProgress[]>("incarnations") ?? [],
      map: json<MapMarks>("map"),
      last: last && decodeValue(last),
    },
    token: token as number,
    first: first as number,
    droppedAt: number("droppedAt"),
  };
}

/** Decodes the entries of a reply of `OPEN`. */
export function decodeJournal({ first, droppedAt }: FoundRecord, oldest: Reply, newest: Reply): Found {
  return { first, droppedAt, oldest: decodeStreamEntry(oldest), newest: decodeStreamEntry(newest) };
}

/** Decodes a reply of XRANGE with one entry, or with none. */
function decodeStreamEntry(reply: Reply): FoundEntry | undefined {
  const [found] = reply as readonly (readonly [Buffer, readonly Buffer[]])[];
  if (found === undefined) return undefined;
  const values = new Map<string, Buffer>();
  const [, list] = found;
  for (let i = 0; i + 1 < list.length; i += 2) values.set(String(list[i]), list[i + 1] as Buffer);
  return {
    rows: Number(String(values.get("r"))),
    bytes: Number(String(values.get("b"))),
    entry: values.get("e") as Buffer,
  };
}

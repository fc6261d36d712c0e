import {
  allOptional,
  checkArgument,
  checkOptions,
  flag,
  objectOf,
  StanzapackError,
  textThat,
} from "@stanzapack/wire";
import { Level } from "level";
import { drawIncarnation } from "../base/incarnation.js";
import type { CommandStore } from "./command-store.js";
import { openCommandRecords } from "./level-commands.js";
import type { OutboxEntry, OutboxStore, StoredOutbox } from "./outbox-store.js";
import { OUTBOX_BOUNDS } from "./outbox-store.js";
import { holdLocation } from "./location.node.js";
import { decodeEntry, decodeHead, encodeEntry, encodeHead, type Head } from "./records.js";

export interface OutboxStoreOptions {
  /**
   * True: an update, or a command, counts as saved once it is on the disk, so that it also survives a power cut. False
   * is faster: what is saved survives the end of the program, but perhaps not a power cut. For Node only: browsers
   * decide by themselves. Default true.
   */
  readonly sync?: boolean | undefined;
}

/**
 * A store in a directory, or in an IndexedDB of a browser. It holds the outboxes of any number of services, and the
 * commands of any number of accounts.
 */
export interface LevelOutboxStore extends OutboxStore, CommandStore {
  /** Idempotent. Close the client first. */
  close(): Promise<void>;
}

const LOCATION = textThat("a path, or a name in browsers", (text) => text !== "" && !text.includes("\0"));
const OPTIONS = objectOf(allOptional({ sync: flag() }));
/** Version of the stored format. A store of another version is refused. */
const VERSION = 1;
const VERSION_KEY = "version";
/** Digits of a sequence in a key, so that keys sort by sequence. 16: the digits of 2^53 − 1. */
const SEQUENCE_DIGITS = 16;

type Database = Level<string, Uint8Array>;

/**
 * Opens the store of outboxes and commands at `location`: the path of a directory, or in browsers the name of a
 * database. Creates the store if there is none. One program at a time can open it. Throws `invalid-options` and
 * `store-failed`, which is `retryable` while another program has the store.
 */
export async function openOutboxStore(
  location: string,
  options: OutboxStoreOptions = {},
): Promise<LevelOutboxStore> {
  checkArgument("openOutboxStore", "location", LOCATION, location);
  const { sync = true } = checkOptions("openOutboxStore", OPTIONS, options);
  const letGo = await holdLocation(location).catch((error: unknown) => {
    throw failed(error, `the store ${location} cannot be opened`);
  });
  const db: Database = new Level(location, { keyEncoding: "utf8", valueEncoding: "view" });
  try {
    await db.open();
    await checkVersion(db, location);
  } catch (error) {
    await db.close().catch(() => undefined);
    letGo();
    throw failed(error, `the store ${location} cannot be opened`);
  }
  const held = new Set<string>();
  return {
    async open(node) {
      if (held.has(node))
        throw new StanzapackError("store-failed", `the outbox of \`${node}\` in ${location} is in use`, {
          retryable: true,
        });
      held.add(node);
      try {
        return await openOutbox(db, node, { sync, location, onClose: () => held.delete(node) });
      } catch (error) {
        held.delete(node);
        throw failed(error, `the outbox of \`${node}\` in ${location} cannot be read`);
      }
    },
    async openCommands(account) {
      const name = `!${account}`;
      if (held.has(name))
        throw new StanzapackError("store-failed", `the commands of ${account} in ${location} are in use`, {
          retryable: true,
        });
      held.add(name);
      try {
        return await openCommandRecords(db, account, { sync, location, onClose: () => held.delete(name) });
      } catch (error) {
        held.delete(name);
        throw failed(error, `the commands of ${account} in ${location} cannot be read`);
      }
    },
    async close() {
      await db.close();
      letGo();
    },
  };
}

async function checkVersion(db: Database, location: string): Promise<void> {
  const bytes = await db.get(VERSION_KEY);
  if (bytes === undefined) {
    for await (const key of db.keys({ limit: 1 }))
      throw damaged(location, `it has no version, but has \`${key.slice(0, 40)}\``);
    await db.put(VERSION_KEY, Uint8Array.of(VERSION), { sync: true });
  } else if (bytes.length !== 1 || bytes[0] !== VERSION)
    throw new StanzapackError(
      "store-failed",
      `the store ${location} is of version ${bytes.join(".").slice(0, 40)}, and this program reads version ${VERSION}`,
    );
}

interface OutboxContext {
  readonly sync: boolean;
  readonly location: string;
  readonly onClose: () => void;
}

async function openOutbox(
  db: Database,
  node: string,
  { sync, location, onClose }: OutboxContext,
): Promise<StoredOutbox> {
  const headKey = `${node}/head`;
  const keyOf = (sequence: number): string => `${node}/${String(sequence).padStart(SEQUENCE_DIGITS, "0")}`;
  const found = await readHead(db, headKey, location);
  const entries: OutboxEntry[] = [];
  let bytes = 0;
  // In the order of keys, digits come before `:` and before `head`.
  for await (const [key, value] of db.iterator({ gte: `${node}/0`, lt: `${node}/:` })) {
    const sequence = (found?.before ?? 0) + entries.length + 1;
    const entry = decodeEntry(value);
    if (found === undefined || key !== keyOf(sequence) || entry === undefined)
      throw damaged(location, `update ${sequence} of \`${node}\` is missing or broken`);
    entries.push(entry);
    bytes += entry.row.length;
    // Acknowledged updates may still be here: the store removes them after it has appended as many new ones.
    if (entries.length > 2 * OUTBOX_BOUNDS.maxRows || bytes > 2 * OUTBOX_BOUNDS.maxBytes)
      throw damaged(location, `\`${node}\` has more updates than an outbox may hold`);
  }
  let head = found ?? { incarnation: drawIncarnation(), before: 0 };
  const putOf = (next: Head) => ({ type: "put" as const, key: headKey, value: encodeHead(next) });
  if (found === undefined) await db.batch([putOf(head)], { sync });
  let last = head.before + entries.length;
  return {
    ...head,
    entries,
    async append(added) {
      const puts = added.map((entry, i) => ({
        ...{ type: "put" as const, key: keyOf(last + i + 1), value: encodeEntry(entry) },
      }));
      await db.batch(puts, { sync });
      last += added.length;
    },
    async forget(upTo) {
      const { before } = head;
      const dels = Array.from({ length: upTo - before }, (_, i) => ({
        ...{ type: "del" as const, key: keyOf(before + i + 1) },
      }));
      const next = { ...head, before: upTo };
      // Without `sync`: if a power cut brings updates back, they are sent again, and the component drops them.
      await db.batch([...dels, putOf(next)]);
      head = next;
    },
    async renew(incarnation) {
      const next = { ...head, incarnation };
      await db.batch([putOf(next)], { sync });
      head = next;
    },
    async close() {
      onClose();
    },
  };
}

async function readHead(db: Database, key: string, location: string): Promise<Head | undefined> {
  const bytes = await db.get(key);
  if (bytes === undefined) return undefined;
  const head = decodeHead(bytes);
  if (head === undefined) throw damaged(location, `\`${key}\` is broken`);
  return head;
}

function damaged(location: string, what: string): StanzapackError {
  return new StanzapackError(
    "store-failed",
    `the store ${location} is damaged: ${what}. Give another location, and keep this one: what it holds was not all delivered`,
  );
}

function failed(error: unknown, doing: string): StanzapackError {
  if (error instanceof StanzapackError) return error;
  // The error says that the database is not open, and its cause says why.
  const { cause = error } = error as { readonly cause?: unknown };
  const { code, message } = cause as { readonly code?: string; readonly message?: string };
  if (code === "LEVEL_LOCKED")
    return new StanzapackError("store-failed", `${doing}: another program has it`, {
      retryable: true,
      cause,
    });
  const advice =
    code === "LEVEL_CORRUPTION" || code === "LEVEL_IO_ERROR"
      ? ". If it is damaged, give another location, and keep this one: what it holds may not be delivered"
      : "";
  return new StanzapackError("store-failed", `${doing}: ${message ?? String(cause)}${advice}`, { cause });
}

import { StanzapackError } from "@stanzapack/wire";
import type { Level } from "level";
import { COMMAND_BOUNDS } from "../options/command-options.js";
import type { StoredCommand, StoredCommands } from "./command-store.js";

/** Digits of a sequence in a key, so that keys sort by sequence. 16: the digits of 2^53 − 1. */
const SEQUENCE_DIGITS = 16;
/** Bytes that a command may take beside what the bounds of a queue count. */
const SLACK_BYTES = 1_048_576;

interface CommandsContext {
  readonly sync: boolean;
  readonly location: string;
  readonly onClose: () => void;
}

/** Opens the commands of an account. Throws `store-failed` if there are more than a queue may hold. */
export async function openCommandRecords(
  db: Level<string, Uint8Array>,
  account: string,
  { sync, location, onClose }: CommandsContext,
): Promise<StoredCommands> {
  // No node begins so: a JID has no exclamation mark in its domain, and a node without `@` begins with its domain.
  const prefix = `!${account}/`;
  const stateKey = `${prefix}state`;
  const keyOf = (sequence: number): string => prefix + String(sequence).padStart(SEQUENCE_DIGITS, "0");
  const entries: StoredCommand[] = [];
  let bytes = 0;
  // In the order of keys, digits come before `:` and before `state`.
  for await (const [key, value] of db.iterator({ gte: `${prefix}0`, lt: `${prefix}:` })) {
    entries.push({ sequence: Number(key.slice(prefix.length)), bytes: new Uint8Array(value) });
    bytes += value.length;
    if (entries.length > COMMAND_BOUNDS.maxCommands || bytes > COMMAND_BOUNDS.maxBytes + SLACK_BYTES)
      throw new StanzapackError(
        "store-failed",
        `the store ${location} is damaged: \`${account}\` has more commands than a queue may hold`,
      );
  }
  const state = await db.get(stateKey);
  return {
    ...{ entries, state: state && new Uint8Array(state) },
    async write({ put, remove, state }) {
      const batch = [
        ...put.map((command) => ({
          ...{ type: "put" as const, key: keyOf(command.sequence), value: command.bytes },
        })),
        ...remove.map((sequence) => ({ type: "del" as const, key: keyOf(sequence) })),
        ...(state === undefined ? [] : [{ type: "put" as const, key: stateKey, value: state }]),
      ];
      // A removal that a power cut takes back is asked for again, so it need not wait for the disk.
      await db.batch(batch, { sync: sync && (put.length > 0 || state !== undefined) });
    },
    async close() {
      onClose();
    },
  };
}

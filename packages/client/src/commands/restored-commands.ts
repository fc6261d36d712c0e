import { StanzapackError } from "@stanzapack/wire";
import type { StoredCommands } from "../store/command-store.js";
import { decodeCommand, decodeSentTimes, type SentTimes } from "./command-record.js";
import type { QueuedCommand } from "./queued-command.js";

/** Commands that an earlier program has left. */
export interface RestoredCommands {
  readonly commands: readonly QueuedCommand[];
  readonly sent: SentTimes;
  /** The highest sequence in the store. */
  readonly last: number;
  readonly damaged: readonly { readonly sequence: number; readonly error: StanzapackError }[];
}

/**
 * Reads stored commands. Damaged ones are listed, and left out. If the record of what was sent is damaged, the first
 * command of each node counts as sent: only the first can have been. Throws `store-failed` for another version.
 */
export function restoreCommands({
  entries,
  state,
}: Pick<StoredCommands, "entries" | "state">): RestoredCommands {
  const commands: QueuedCommand[] = [];
  const damaged: RestoredCommands["damaged"][number][] = [];
  for (const { sequence, bytes } of [...entries].sort((a, b) => a.sequence - b.sequence)) {
    const record = decodeCommand(bytes);
    if (record !== undefined) commands.push({ ...record, sequence, bytes: bytes.length, sentAt: undefined });
    else {
      const text = `stored command ${sequence} is damaged, and does not run`;
      damaged.push({ sequence, error: new StanzapackError("store-failed", text, { scope: "call" }) });
    }
  }
  const sent =
    state === undefined ? new Map<number, number>() : (decodeSentTimes(state) ?? firstOf(commands));
  const mine = new Map<number, number>();
  for (const command of commands) {
    command.sentAt = sent.get(command.sequence);
    if (command.sentAt !== undefined) mine.set(command.sequence, command.sentAt);
  }
  return {
    commands,
    sent: mine,
    last: entries.reduce((last, { sequence }) => Math.max(last, sequence), 0),
    damaged,
  };
}

/** The first command of each node, as sent at an unknown time: so long ago that it is only asked for once. */
function firstOf(commands: readonly QueuedCommand[]): SentTimes {
  const first = new Map<string, number>();
  for (const { node, sequence } of commands) if (!first.has(node)) first.set(node, sequence);
  return new Map([...first.values()].map((sequence) => [sequence, 0]));
}

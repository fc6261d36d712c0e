import { StanzapackError } from "@stanzapack/wire";

/** A command as it is stored. Its bytes have a checksum of their own, so a store may keep them as they are. */
export interface StoredCommand {
  /** Commands run in this order. A whole number from 1 on. */
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** One change of stored commands. A program that ends meanwhile has stored all of it, or nothing. */
export interface CommandBatch {
  readonly put: readonly StoredCommand[];
  /** Sequences of commands that have ended. */
  readonly remove: readonly number[];
  /** Replaces the state, which says what was sent. Undefined: the state stays. */
  readonly state: Uint8Array | undefined;
}

/**
 * Store of the commands that wait for their results, so that they outlive the program. `openOutboxStore` of
 * `@stanzapack/client/store` makes one, and your program may make another. A rejection of a store ends the queue with
 * `store-failed`.
 */
export interface CommandStore {
  /** Resolves to the commands of one account, a bare JID. Rejects if they are open elsewhere, or cannot be read. */
  openCommands(account: string): Promise<StoredCommands>;
}

/** The commands of one account. Each call begins when the call before has resolved. */
export interface StoredCommands {
  /** Commands in the store, by sequence. */
  readonly entries: readonly StoredCommand[];
  /** The last state written. Undefined before the first. */
  readonly state: Uint8Array | undefined;
  /** Resolves when everything is stored, in one step. */
  write(batch: CommandBatch): Promise<void>;
  close(): Promise<void>;
}

/** Takes the result of a store's `openCommands`, and returns it checked. Throws `store-failed` if it is none. */
export function checkStoredCommands(given: unknown): StoredCommands {
  const it = (typeof given === "object" && given !== null ? given : {}) as Partial<StoredCommands>;
  const isStored =
    Array.isArray(it.entries) &&
    it.entries.every(isStoredCommand) &&
    (it.state === undefined || it.state instanceof Uint8Array) &&
    [it.write, it.close].every((method) => typeof method === "function");
  if (!isStored) throw new StanzapackError("store-failed", "`openCommands` returned no commands");
  return it as StoredCommands;
}

function isStoredCommand(given: unknown): boolean {
  if (typeof given !== "object" || given === null) return false;
  const { sequence, bytes } = given as Partial<StoredCommand>;
  return Number.isSafeInteger(sequence) && (sequence as number) >= 1 && bytes instanceof Uint8Array;
}

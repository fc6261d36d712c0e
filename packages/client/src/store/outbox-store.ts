import { StanzapackError } from "@stanzapack/wire";
import { textOf } from "../base/text-of.js";

/** One update of a log. */
export interface OutboxEntry {
  /** Its value, packed. */
  readonly row: Uint8Array;
  /** When it was published, in ms since 1970. */
  readonly at: number;
}

/**
 * Where logs keep their updates until the component has them, so that they outlive the program: `openOutboxStore` of
 * `@stanzapack/client/store` makes one, and so may you. What it rejects with ends the service that it was for, as `store-failed`.
 */
export interface OutboxStore {
  /** The outbox of one service, by node id. Rejects when somebody has it, and when what it holds cannot be read. */
  open(node: string): Promise<StoredOutbox>;
}

/** One service's. Calls come one after another, each when the one before has resolved. */
export interface StoredOutbox {
  /** Random, from 1 to 2^53 − 1; as old as the outbox. */
  readonly incarnation: number;
  /** Sequence of the last update that is no more here, 0 at first. */
  readonly before: number;
  /** What is here: sequences `before` + 1, `before` + 2, … */
  readonly entries: readonly OutboxEntry[];
  /** Behind those that are here. Resolves when they are kept; all of them or, when the program ends before, none. */
  append(entries: readonly OutboxEntry[]): Promise<void>;
  /** The component has everything up to this sequence. */
  forget(upTo: number): Promise<void>;
  /** Goes on under this incarnation. */
  renew(incarnation: number): Promise<void>;
  close(): Promise<void>;
}

/** What a store gave. Throws `store-failed` where that is no outbox. */
export function checkStored(given: unknown): StoredOutbox {
  const it = (typeof given === "object" && given !== null ? given : {}) as Partial<StoredOutbox>;
  const isWhole = (value: unknown, min: number): boolean =>
    Number.isSafeInteger(value) && (value as number) >= min;
  const isOutbox =
    isWhole(it.incarnation, 1) &&
    isWhole(it.before, 0) &&
    Array.isArray(it.entries) &&
    [it.append, it.forget, it.renew, it.close].every((method) => typeof method === "function");
  if (!isOutbox) throw new StanzapackError("store-failed", "`open` gave no outbox");
  return it as StoredOutbox;
}

/** Whatever a store has rejected with. */
export function toStoreError(error: unknown, doing: string): StanzapackError {
  // Another build's class may be another one.
  if (error instanceof StanzapackError) return error;
  const { text, message } = (error ?? {}) as { readonly text?: string; readonly message?: string };
  return new StanzapackError("store-failed", `${doing}: ${text ?? message ?? textOf(error)}`, {
    cause: error,
  });
}

export interface OutboxBounds {
  readonly maxRows: number;
  readonly maxBytes: number;
}

/** Of updates that the component has not acknowledged; beyond, `publish` throws `busy`. 16 MiB: a minute of 250 kB a second. */
export const OUTBOX_BOUNDS: OutboxBounds = { maxRows: 65_536, maxBytes: 16_777_216 };

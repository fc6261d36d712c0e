import { StanzapackError } from "@stanzapack/wire";
import { textOf } from "../base/text-of.js";

/** One update of a log. */
export interface OutboxEntry {
  /** Value, as msgpack. */
  readonly row: Uint8Array;
  /** Time of publishing, in ms since 1970. */
  readonly at: number;
}

/**
 * Store of a log's updates until the component has them, so that the updates outlive the program. `openOutboxStore` of
 * `@stanzapack/client/store` makes one, and your program may make another. A rejection of a store ends its service with
 * `store-failed`.
 */
export interface OutboxStore {
  /** Resolves to the outbox of one service, by node. Rejects if the outbox is open elsewhere, or cannot be read. */
  open(node: string): Promise<StoredOutbox>;
}

/** Outbox of one service. Each call begins when the call before has resolved. */
export interface StoredOutbox {
  /** Random number from 1 to 2^53 − 1, drawn with the outbox. */
  readonly incarnation: number;
  /** Sequence of the last update that was removed, 0 at first. */
  readonly before: number;
  /** Updates in the outbox: sequences `before` + 1, `before` + 2, … */
  readonly entries: readonly OutboxEntry[];
  /** Adds updates at the end. Resolves when all are kept. If the program ends before, it keeps all of them or none. */
  append(entries: readonly OutboxEntry[]): Promise<void>;
  /** Removes the updates up to this sequence, because the component has them. */
  forget(upTo: number): Promise<void>;
  /** Continues under this incarnation. */
  renew(incarnation: number): Promise<void>;
  close(): Promise<void>;
}

/** Takes the result of a store's `open`, and returns it checked. Throws `store-failed` if it is no outbox. */
export function checkStored(given: unknown): StoredOutbox {
  const it = (typeof given === "object" && given !== null ? given : {}) as Partial<StoredOutbox>;
  const isWhole = (value: unknown, min: number): boolean =>
    Number.isSafeInteger(value) && (value as number) >= min;
  const isOutbox =
    isWhole(it.incarnation, 1) &&
    isWhole(it.before, 0) &&
    Array.isArray(it.entries) &&
    [it.append, it.forget, it.renew, it.close].every((method) => typeof method === "function");
  if (!isOutbox) throw new StanzapackError("store-failed", "`open` returned no outbox");
  return it as StoredOutbox;
}

/** Takes a rejection of a store, and returns a `StanzapackError`. */
export function toStoreError(error: unknown, doing: string): StanzapackError {
  // The class of another build may be another class.
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

/**
 * Bounds of the updates that the component has not acknowledged. Beyond them `publish` throws `busy`. 16 MiB: a minute
 * of 250 kB a second.
 */
export const OUTBOX_BOUNDS: OutboxBounds = { maxRows: 65_536, maxBytes: 16_777_216 };

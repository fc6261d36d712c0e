import type { BatchSlice } from "@stanzapack/wire";
import type { Later } from "../base/later.js";

/** Where a log begins for a subscriber that asks for updates from a time on. */
export interface TimedStart {
  /** Offset of the first update that arrived at that time or later. If there is none, the offset after the newest. */
  readonly offset: number;
  /** The log has dropped no update that arrived at that time or later. */
  readonly whole: boolean;
}

/** The updates that a log keeps for subscribers that begin later or come back. */
export interface ReadableJournal {
  /** Offset of the oldest update in the journal. If the journal is empty, the offset after the newest update. */
  readonly first: number;
  /**
   * Returns the next updates from `offset` on, up to the first hole: at least one, and at most `maxRows` and
   * `maxBytes`. Returns undefined if there is none. `wait`: the updates are being loaded, so the caller asks again in a
   * later turn. Times are by the monotonic clock, in ms.
   */
  read(offset: number, maxRows: number, maxBytes: number): BatchSlice | "wait" | undefined;
  /**
   * Returns where to begin for updates that arrived at `time` or later, in ms since 1970. Rejects with `store-failed` if
   * a store must be asked and does not answer.
   */
  since(time: number): Later<TimedStart>;
}

/** A journal in memory. */
export interface Journal extends ReadableJournal {
  /** Memory held, in bytes, approximately. */
  readonly bytes: number;
  /**
   * Adds the positions `from` to `to`. `rows` are the newest of them, and the journal keeps them without a copy. `ats`
   * has the monotonic time of each row, in ms. `cameAt` is the time of arrival, in ms since 1970. If an earlier row has
   * a later `cameAt`, the journal takes that time.
   */
  append(from: number, to: number, rows: readonly Uint8Array[], ats: readonly number[], cameAt: number): void;
  /** Drops all updates, and frees their memory. */
  clear(): void;
}

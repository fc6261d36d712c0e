import type { BatchSlice } from "@stanzapack/wire";

/** Where a log begins for a subscriber that asks for updates from a time on. */
export interface TimedStart {
  /** Offset of the first update that arrived at that time or later. If there is none, the offset after the newest. */
  readonly offset: number;
  /** The log has dropped no update that arrived at that time or later. */
  readonly whole: boolean;
}

/** The updates that a log keeps, for subscribers that begin later or come back. */
export interface ReadableJournal {
  /** The journal has all updates from this offset on. If it has no update, the offset after the newest. */
  readonly first: number;
  /**
   * Returns the next updates from `offset` on, without a hole: at most `maxRows` and `maxBytes`, but at least one.
   * Undefined: there are none. Times are by the monotonic clock.
   */
  read(offset: number, maxRows: number, maxBytes: number): BatchSlice | undefined;
  /** Returns where to begin for `time`, the time at which updates arrived at the component, in ms since 1970. */
  since(time: number): TimedStart;
}

/** A journal in memory. */
export interface Journal extends ReadableJournal {
  /** Memory held, in bytes, approximately. */
  readonly bytes: number;
  /**
   * Adds the positions `from` to `to`. `rows` are the newest of them, and are kept as they are. `ats` has the monotonic
   * time of each row. `cameAt`: the time of day, in ms. If it is less than that of earlier rows, their time is taken.
   */
  append(from: number, to: number, rows: readonly Uint8Array[], ats: readonly number[], cameAt: number): void;
  /** Drops all updates, and gives their memory back. */
  clear(): void;
}

import type { BatchSlice } from "@stanzapack/wire";

/** Where a log begins for a time. */
export interface TimedStart {
  /** The first update that came at that time or later; one beyond the newest where none did. */
  readonly offset: number;
  /** Nothing that came at that time or later was dropped. */
  readonly whole: boolean;
}

/** What a log keeps of its updates, for those who come later and those who come back. */
export interface Journal {
  /** Offset from which on everything is kept that there is; one beyond the newest where nothing is. */
  readonly first: number;
  /** Memory held, in bytes, about. */
  readonly bytes: number;
  /**
   * Positions `from` to `to`, the newest of which are `rows`, with the monotonic clock of each. Rows are kept as they are. `cameAt`: the time of day,
   * in ms; where it is less than that of what came before, that one's holds.
   */
  append(from: number, to: number, rows: readonly Uint8Array[], ats: readonly number[], cameAt: number): void;
  /** The next updates from `offset` on, without a hole, at most so many and so large, but at least one; undefined: none. */
  read(offset: number, maxRows: number, maxBytes: number): BatchSlice | undefined;
  /** By when updates came to the component, in ms since 1970. */
  since(time: number): TimedStart;
  /** Gives everything back. */
  clear(): void;
}

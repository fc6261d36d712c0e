import type { BatchSlice } from "@stanzapack/wire";

/** What a log keeps of its updates, for those who come later and those who come back. */
export interface Journal {
  /** Offset from which on everything is kept that there is; one beyond the newest where nothing is. */
  readonly first: number;
  /** Memory held, in bytes, about. */
  readonly bytes: number;
  /** Positions `from` to `to`, the newest of which are `rows`, with the clock of each. Rows are kept as they are. */
  append(from: number, to: number, rows: readonly Uint8Array[], ats: readonly number[]): void;
  /** The next updates from `offset` on, without a hole, at most so many and so large, but at least one; undefined: none. */
  read(offset: number, maxRows: number, maxBytes: number): BatchSlice | undefined;
  /** Offset of the first update that came at this time or later, in ms; one beyond the newest where none did. */
  since(at: number): number;
  /** Gives everything back. */
  clear(): void;
}

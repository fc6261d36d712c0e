import { DEFAULT_LIMITS, RowBatch, type BatchSlice } from "@stanzapack/wire";

/** Bounds of the updates that wait. Beyond them the oldest are dropped, and reported as conflated. */
const WAITING = { maxRows: DEFAULT_LIMITS.maxRowsPerFrame, maxBytes: 262_144 };

/** The updates of a `value` service that wait to be sent, and its newest value. */
export class WaitingValues {
  private readonly batch = new RowBatch(WAITING);
  private newest: { readonly row: Uint8Array; readonly at: number } | undefined;

  get empty(): boolean {
    return this.batch.empty;
  }
  /** Bytes that wait. */
  get bytes(): number {
    return this.batch.bytes;
  }

  /** Takes the row of an update, with its time in ms. Without demand the row does not wait. */
  push(sequence: number, row: Uint8Array, at: number, isDemanded: boolean): void {
    this.newest = { row, at };
    if (isDemanded) this.batch.push(sequence, sequence, [row], [at]);
  }

  /** Lets the newest value wait, unless updates wait already. `from` and `to` are the sequences that it stands for. */
  pushNewest(from: number, to: number): void {
    if (this.batch.empty && this.newest !== undefined)
      this.batch.push(from, to, [this.newest.row], [this.newest.at]);
  }

  /** Keeps only the newest of the waiting updates. The rest is reported as conflated. */
  conflate(): void {
    this.batch.conflate();
  }

  /** Takes out the waiting updates, in slices of at most this size. */
  take(maxRows: number, maxBytes: number): BatchSlice[] {
    return this.batch.take(maxRows, maxBytes);
  }

  /** Forgets the waiting updates. */
  clear(): void {
    this.batch.clear();
  }
}

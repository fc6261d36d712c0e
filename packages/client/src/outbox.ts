import { RowBatch, StanzapackError, type BatchSlice } from "@stanzapack/wire";

export interface OutboxBounds {
  readonly maxRows: number;
  readonly maxBytes: number;
}

interface Entry {
  readonly row: Uint8Array;
  readonly at: number;
}

/**
 * A log's updates from publishing until the component has acknowledged them: in order, numbered from 1, none left out. What
 * was sent on a link that broke is sent again on the next.
 */
export class Outbox {
  private entries: Entry[] = [];
  /** Sequence of the last update that is no more here: acknowledged. */
  private before = 0;
  /** Sequence of the last one that was sent. */
  private sent = 0;
  private held = 0;
  /** Where each flush ended: by data stanzas of the link, the last sequence that they held. */
  private marks: { readonly stanzas: number; readonly sequence: number }[] = [];

  constructor(private readonly bounds: OutboxBounds) {}

  /** Updates that wait for their acknowledgement, sent or not. */
  get size(): number {
    return this.entries.length;
  }
  /** Those among them that were not sent on this link. */
  get unsent(): number {
    return this.before + this.entries.length - this.sent;
  }
  get pending(): boolean {
    return this.unsent > 0;
  }

  /** Throws `busy` when it is full: nothing is dropped. */
  push(row: Uint8Array, at: number): void {
    const { maxRows, maxBytes } = this.bounds;
    if (this.entries.length >= maxRows || (this.held + row.length > maxBytes && this.entries.length > 0))
      throw new StanzapackError(
        "busy",
        `${this.entries.length} updates (${this.held} bytes) wait for their acknowledgement, no more are kept`,
      );
    this.entries.push({ row, at });
    this.held += row.length;
  }

  /**
   * What was not sent yet, at most `maxBytes` of it but one update in any case, in slices of at most the given size; it counts as sent
   * from now on.
   */
  take(maxRowsPerSlice: number, maxBytesPerSlice: number, maxBytes = Infinity): BatchSlice[] {
    const waiting: Entry[] = [];
    let left = maxBytes;
    for (
      let i = this.sent - this.before;
      i < this.entries.length && (left > 0 || waiting.length === 0);
      i++
    ) {
      const entry = this.entries[i] as Entry;
      waiting.push(entry);
      left -= entry.row.length;
    }
    if (waiting.length === 0) return [];
    const batch = new RowBatch({ maxRows: Infinity, maxBytes: Infinity });
    const to = this.sent + waiting.length;
    batch.push(
      this.sent + 1,
      to,
      waiting.map(({ row }) => row),
      waiting.map(({ at }) => at),
    );
    this.sent = to;
    return batch.take(maxRowsPerSlice, maxBytesPerSlice);
  }

  /** All that was taken is within so many data stanzas of the link. */
  mark(stanzas: number): void {
    this.marks.push({ stanzas, sequence: this.sent });
  }

  /** The component has so many data stanzas of the link. */
  acknowledged(stanzas: number): void {
    while (this.marks[0] !== undefined && this.marks[0].stanzas <= stanzas)
      this.forget((this.marks.shift() as { sequence: number }).sequence);
  }

  /** A new link, on which the component has everything up to `sequence`. */
  resume(sequence: number): void {
    this.marks = [];
    this.forget(sequence);
    // What is gone here was acknowledged: a component that does not have it any more does not get it.
    this.sent = this.before;
  }

  private forget(sequence: number): void {
    const count = Math.min(Math.max(0, sequence - this.before), this.entries.length);
    for (const { row } of this.entries.splice(0, count)) this.held -= row.length;
    this.before += count;
    this.sent = Math.max(this.sent, this.before);
  }
}

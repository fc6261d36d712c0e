import { RowBatch, StanzapackError, type BatchSlice } from "@stanzapack/wire";
import { wallAheadMs } from "@stanzapack/xmpp";
import type { OutboxBounds, OutboxEntry } from "../store/outbox-store.js";

/**
 * A log's updates from publishing until the component has acknowledged them: in order, numbered from 1, none left out. What
 * was sent on a link that broke is sent again on the next. With a store none is sent before it is saved: else the component might have one
 * whose number is given to another after a restart, and drop that as repeated.
 */
export class Outbox {
  private readonly entries: OutboxEntry[];
  /** Sequence of the last update that is no more here: acknowledged. */
  before = 0;
  /** Sequence of the last one that was sent. */
  private sent: number;
  /** Sequence of the last one that a store has. */
  savedTo: number;
  /** Sequence of the last one that was ever sent, as far as this knows. */
  known: number;
  /** Nothing is sent meanwhile. */
  held = false;
  private heldBytes = 0;
  /** Where each flush ended: by data stanzas of the link, the last sequence that they held. */
  private marks: { readonly stanzas: number; readonly sequence: number }[] = [];

  constructor(
    private readonly bounds: OutboxBounds,
    /** What a store has; undefined: nothing is saved. */
    stored?: { readonly before: number; readonly entries: readonly OutboxEntry[] },
  ) {
    // A store outlives this program, whose monotonic clock means nothing to the next one: it has the time of day.
    const aheadMs = wallAheadMs();
    this.entries = (stored?.entries ?? []).map(({ row, at }) => ({ row, at: at - aheadMs }));
    this.before = this.sent = stored?.before ?? 0;
    this.known = this.last;
    this.savedTo = stored === undefined ? Infinity : this.last;
    for (const { row } of this.entries) this.heldBytes += row.length;
  }

  /** Sequence of the newest. */
  get last(): number {
    return this.before + this.entries.length;
  }
  get unsaved(): number {
    return Math.max(0, this.last - this.savedTo);
  }
  /** Updates that wait for their acknowledgement, sent or not. */
  get size(): number {
    return this.entries.length;
  }
  /** Those among them that were not sent on this link. */
  get unsent(): number {
    return this.last - this.sent;
  }
  /** Something may be sent. */
  get pending(): boolean {
    return this.sendable > 0;
  }
  private get sendable(): number {
    return this.held ? 0 : Math.min(this.last, this.savedTo) - this.sent;
  }

  /** The next that a store is to have. */
  toSave({ maxRows, maxBytes }: OutboxBounds): OutboxEntry[] {
    const next = this.entries.slice(this.savedTo - this.before, this.savedTo - this.before + maxRows);
    let bytes = 0;
    const end = next.findIndex(({ row }, i) => (bytes += row.length) > maxBytes && i > 0);
    const aheadMs = wallAheadMs();
    const taken = end === -1 ? next : next.slice(0, end);
    return taken.map(({ row, at }) => ({ row, at: Math.round(at + aheadMs) }));
  }

  /** The store has so many more. */
  saved(count: number): void {
    this.savedTo += count;
  }

  /** Throws `busy` when it is full: nothing is dropped. */
  push(row: Uint8Array, at: number): void {
    const { maxRows, maxBytes } = this.bounds;
    if (this.entries.length >= maxRows || (this.heldBytes + row.length > maxBytes && this.entries.length > 0))
      throw new StanzapackError(
        "busy",
        `${this.entries.length} updates (${this.heldBytes} bytes) wait for their acknowledgement, no more are kept`,
      );
    this.entries.push({ row, at });
    this.heldBytes += row.length;
  }

  /**
   * What was not sent yet, at most `maxBytes` of it but one update in any case, in slices of at most the given size; it counts as sent
   * from now on.
   */
  take(maxRowsPerSlice: number, maxBytesPerSlice: number, maxBytes = Infinity): BatchSlice[] {
    const waiting: OutboxEntry[] = [];
    let left = maxBytes;
    const { sendable } = this;
    while (waiting.length < sendable && (left > 0 || waiting.length === 0)) {
      const entry = this.entries[this.sent - this.before + waiting.length] as OutboxEntry;
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
    this.known = Math.max(this.known, to);
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
    const upTo = Math.min(sequence, this.savedTo);
    const count = Math.min(Math.max(0, upTo - this.before), this.entries.length);
    for (const { row } of this.entries.splice(0, count)) this.heldBytes -= row.length;
    this.before += count;
    this.sent = Math.max(this.sent, this.before);
  }
}

import { byteCountOf, RowBatch, StanzapackError, type BatchSlice } from "@stanzapack/wire";
import { wallAheadMs } from "@stanzapack/xmpp";
import type { OutboxBounds, OutboxEntry } from "../store/outbox-store.js";

/**
 * A log's updates from publishing until the component keeps them (KEPT): in order, numbered from 1, none left out. A
 * component that sends no KEPT keeps what it acknowledges. Updates that were sent on a link, and are still here, are
 * sent again on the next link.
 *
 * With a store no update is sent before it is saved. Otherwise another update could have the same number after a
 * restart, and the component would drop that update as repeated.
 */
export class Outbox {
  private readonly entries: OutboxEntry[];
  /** Sequence of the last update that the component keeps, and that is no longer here. */
  before = 0;
  /** Sequence of the last update that was sent. */
  private sent: number;
  /** Sequence of the last update that the store has. Infinity without a store. */
  savedTo: number;
  /** Sequence of the last update that any link can have carried, as far as this outbox knows. */
  known: number;
  /** While true, no update is sent. */
  held = false;
  private heldBytes = 0;
  /** End of each flush: the number of data stanzas of the link so far, and the last sequence in them. */
  private marks: { readonly stanzas: number; readonly sequence: number }[] = [];

  constructor(
    private readonly bounds: OutboxBounds,
    /** Content of the store. Undefined without a store. */
    stored?: { readonly before: number; readonly entries: readonly OutboxEntry[] },
  ) {
    // A store has times of the wall clock, because a monotonic clock means nothing to the next program.
    const aheadMs = wallAheadMs();
    this.entries = (stored?.entries ?? []).map(({ row, at }) => ({ row, at: at - aheadMs }));
    this.before = this.sent = stored?.before ?? 0;
    this.known = this.last;
    this.savedTo = stored === undefined ? Infinity : this.last;
    for (const { row } of this.entries) this.heldBytes += row.length;
  }

  /** Sequence of the newest update. */
  get last(): number {
    return this.before + this.entries.length;
  }
  /** Number of updates that the store does not have yet. */
  get unsaved(): number {
    return Math.max(0, this.last - this.savedTo);
  }
  /** Number of updates that the component does not keep yet, sent or not. */
  get size(): number {
    return this.entries.length;
  }
  /** Number of updates that were not sent on this link. */
  get unsent(): number {
    return this.last - this.sent;
  }
  /** Whether an update may be sent. */
  get pending(): boolean {
    return this.sendable > 0;
  }
  private get sendable(): number {
    return this.held ? 0 : Math.min(this.last, this.savedTo) - this.sent;
  }

  /** Returns the next updates for the store, at most this many but at least one, if one is not saved yet. */
  toSave({ maxRows, maxBytes }: OutboxBounds): OutboxEntry[] {
    const next = this.entries.slice(this.savedTo - this.before, this.savedTo - this.before + maxRows);
    let bytes = 0;
    const end = next.findIndex(({ row }, i) => (bytes += row.length) > maxBytes && i > 0);
    const aheadMs = wallAheadMs();
    const taken = end === -1 ? next : next.slice(0, end);
    return taken.map(({ row, at }) => ({ row, at: Math.round(at + aheadMs) }));
  }

  /** The store has saved this many more updates. */
  saved(count: number): void {
    this.savedTo += count;
  }

  /** Adds updates, all or none. Throws `busy` if the outbox is full: it drops none. */
  pushAll(rows: readonly Uint8Array[], at: number): void {
    const bytes = byteCountOf(rows);
    this.assertRoom(rows.length, bytes);
    for (const row of rows) this.add(row, at);
  }

  /** Drops what waits, and numbers the next update as if it had been sent. */
  drop(): void {
    const { last } = this;
    this.entries.length = this.heldBytes = 0;
    this.before = this.sent = last;
  }

  /** Adds an update. Throws as `pushAll`. */
  push(row: Uint8Array, at: number): void {
    this.assertRoom(1, row.length);
    this.add(row, at);
  }

  private assertRoom(rows: number, bytes: number): void {
    const { maxRows, maxBytes } = this.bounds;
    const isOver = this.entries.length + rows > maxRows || this.heldBytes + bytes > maxBytes;
    // One update that is over the bound by itself passes.
    if (isOver && this.entries.length > 0)
      throw new StanzapackError(
        "busy",
        `${this.entries.length} updates (${this.heldBytes} bytes) wait for their acknowledgement, no more are allowed`,
      );
  }

  private add(row: Uint8Array, at: number): void {
    this.entries.push({ row, at });
    this.heldBytes += row.length;
  }

  /**
   * Returns updates that were not sent yet, in slices of at most the given size. The last update is the one that
   * reaches `maxBytes`. The updates count as sent from now on.
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

  /** All updates that were taken are within this many data stanzas of the link. */
  mark(stanzas: number): void {
    this.marks.push({ stanzas, sequence: this.sent });
  }

  /** The component has acknowledged this many data stanzas of the link. */
  acknowledged(stanzas: number): void {
    while (this.marks[0] !== undefined && this.marks[0].stanzas <= stanzas)
      this.forget((this.marks.shift() as { sequence: number }).sequence);
  }

  /** The component keeps all updates up to `sequence`, of those that were sent on this link. */
  kept(sequence: number): void {
    this.forget(Math.min(sequence, this.sent));
  }

  /** A new link begins. The component has all updates up to `sequence`. */
  resume(sequence: number): void {
    this.marks = [];
    this.forget(sequence);
    // Removed updates were acknowledged. A component that has lost them does not receive them again.
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

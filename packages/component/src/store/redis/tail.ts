import { weigh, type JournalRow } from "../base/entries.js";
import type { JournalAccount, JournalMemory } from "../base/journal-memory.js";

/** Most rows and bytes of one tail. 512 rows: a subscriber that was away for some seconds needs no read from Redis. */
const MAX_ROWS = 512;
const MAX_BYTES = 262_144;
/** Memory that a row takes beside its bytes: see `ENTRY_BYTES` of memory-journal.ts. */
const ROW_BYTES = 400;
/** From this many dropped rows on, the tail shortens its array. */
const COMPACT_AT = 512;

/** The newest rows of a journal, in memory. Redis has them too. The newest row always stays. */
export class Tail {
  private rows: JournalRow[] = [];
  private at = 0;
  /** Bytes of memory, approximately. */
  held = 0;
  private bytes = 0;
  private droppable = 0;
  private readonly account: JournalAccount;

  constructor(
    shares: JournalMemory,
    owner: string,
    /** The tail has all rows from this offset on. */
    public start: number,
  ) {
    this.account = shares.open(owner, { dropOldest: () => this.dropOldest() });
  }

  get newest(): JournalRow | undefined {
    return this.rows.length > this.at ? this.rows.at(-1) : undefined;
  }

  get oldest(): JournalRow | undefined {
    return this.rows[this.at];
  }

  get count(): number {
    return this.rows.length - this.at;
  }

  append(rows: readonly JournalRow[]): void {
    for (const row of rows) {
      this.rows.push(row);
      this.bytes += weigh(row.row);
      this.hold(ROW_BYTES + row.row.length);
    }
    while (this.count > 1 && (this.count > MAX_ROWS || this.bytes > MAX_BYTES)) this.dropOldest();
    this.account.settle();
  }

  /** Forgets the rows before `offset`. */
  dropBefore(offset: number): void {
    while ((this.oldest?.offset ?? Infinity) < offset) this.dropOldest();
    this.start = Math.max(this.start, offset);
  }

  clear(): void {
    this.rows = [];
    this.at = 0;
    this.bytes = 0;
    this.hold(-this.held);
  }

  private dropOldest(): void {
    const { row, offset } = this.oldest as JournalRow;
    this.at++;
    this.start = offset + 1;
    this.bytes -= weigh(row);
    if (this.at === this.rows.length || (this.at >= COMPACT_AT && this.at * 2 >= this.rows.length)) {
      this.rows = this.rows.slice(this.at);
      this.at = 0;
    }
    this.hold(-ROW_BYTES - row.length);
  }

  private hold(bytes: number): void {
    this.held += bytes;
    const { newest } = this;
    const droppable = newest === undefined ? 0 : this.held - ROW_BYTES - newest.row.length;
    this.account.count(bytes, droppable - this.droppable);
    this.droppable = droppable;
  }

  /** The rows from `offset` on. */
  *from(offset: number): Iterable<JournalRow> {
    for (let i = this.find((row) => row.offset >= offset); i < this.rows.length; i++)
      yield this.rows[i] as JournalRow;
  }

  /** The first row that arrived at `time` or later, in ms since 1970. */
  since(time: number): JournalRow | undefined {
    return this.rows[this.find(({ cameAt }) => cameAt >= time)];
  }

  /** Returns the index of the first row that is `late`. If there is none, the index after the last. */
  private find(late: (row: JournalRow) => boolean): number {
    let [low, high] = [this.at, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (late(this.rows[middle] as JournalRow)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

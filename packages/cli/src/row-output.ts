import type { Writable } from "node:stream";

export interface ValueRow {
  readonly node: string;
  readonly epoch: number;
  readonly offset: number;
  readonly at: number;
  readonly value: unknown;
}

export interface EventRow {
  readonly node: string;
  readonly event: "lost" | "conflated" | "status" | "reset";
  readonly from: number | null;
  readonly to: number | null;
  readonly reason: string;
}

export type OutputRow = ValueRow | EventRow;

/** Characters that may wait for a slow reader: bounds the memory, and is far more than a burst. */
const MAX_WAITING_CHARS = 16_777_216;
/** Rows written are removed from the queue's front so many at a time. */
const COMPACT_ROWS = 4_096;

interface WaitingValue {
  readonly node: string;
  readonly offset: number;
  readonly line: string;
}

/**
 * NDJSON for a reader that may be slow or go away: beyond the bound the oldest values give way, told in their place as
 * `conflated` with the reason `consumer`.
 */
export class RowOutput {
  /** Events that come before everything in `waiting`. */
  private front: EventRow[] = [];
  /** Newest event of each node in `front`, if it tells of values dropped here: it can take in the next. */
  private readonly dropped = new Map<string, { index: number; row: EventRow }>();
  private waiting: (WaitingValue | EventRow)[] = [];
  private head = 0;
  private waitingChars = 0;
  private readonly onDrain = (): void => this.flush();

  constructor(
    private readonly stream: Writable,
    private readonly maxWaitingChars = MAX_WAITING_CHARS,
  ) {
    stream.on("drain", this.onDrain);
  }

  write(row: OutputRow): void {
    if (!this.stream.writableNeedDrain) {
      this.stream.write(formatLine(row));
      return;
    }
    if ("event" in row) {
      this.waiting.push(row);
      return;
    }
    const line = formatLine(row);
    this.waiting.push({ node: row.node, offset: row.offset, line });
    this.waitingChars += line.length;
    while (this.waitingChars > this.maxWaitingChars) this.dropOldest();
  }

  /** Resolves when the reader has taken everything, or is gone. */
  async end(): Promise<void> {
    while (this.stream.writableNeedDrain && !this.stream.destroyed) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.stream.off("drain", done).off("close", done).off("error", done);
          resolve();
        };
        this.stream.on("drain", done).on("close", done).on("error", done);
      });
    }
    this.stream.off("drain", this.onDrain);
  }

  private flush(): void {
    const lines = this.front.map(formatLine);
    for (const item of this.waiting.slice(this.head))
      lines.push("line" in item ? item.line : formatLine(item));
    this.front = [];
    this.dropped.clear();
    this.waiting = [];
    this.head = 0;
    this.waitingChars = 0;
    if (lines.length > 0) this.stream.write(lines.join(""));
  }

  private dropOldest(): void {
    const item = this.waiting[this.head++];
    if (item === undefined) return;
    if (this.head >= COMPACT_ROWS) {
      this.waiting.splice(0, this.head);
      this.head = 0;
    }
    if ("event" in item) {
      this.front.push(item);
      this.dropped.delete(item.node);
      return;
    }
    this.waitingChars -= item.line.length;
    const { node, offset } = item;
    const before = this.dropped.get(node);
    const joins = before !== undefined && before.row.to === offset - 1;
    const from = joins ? before.row.from : offset;
    const row: EventRow = { node, event: "conflated", from, to: offset, reason: "consumer" };
    const index = joins ? before.index : this.front.length;
    this.front[index] = row;
    this.dropped.set(node, { index, row });
  }
}

/** Stands for -0 until the text is made: a private-use character that hardly any value has. */
const NEGATIVE_ZERO = "\uf8ff-0\uf8ff";

/** JSON has no bytes: they are written as a base64 string. -0 stays, which `JSON.stringify` writes as 0. */
export function formatLine(row: OutputRow): string {
  let hasNegativeZero = false;
  const text = JSON.stringify(row, (_, value: unknown) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
    if (!Object.is(value, -0)) return value;
    hasNegativeZero = true;
    return NEGATIVE_ZERO;
  });
  return `${hasNegativeZero ? text.replaceAll(`"${NEGATIVE_ZERO}"`, "-0") : text}\n`;
}

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

/** Most characters of lines that may wait for a slow reader. It bounds the memory, and is far more than a burst. */
const MAX_WAITING_CHARS = 16_777_216;
/** Number of dropped rows that are removed from the queue's front at once. */
const COMPACT_ROWS = 4_096;

interface WaitingValue {
  readonly node: string;
  readonly offset: number;
  readonly line: string;
}

interface WaitingEvent {
  readonly event: EventRow;
  /** Length of its line. */
  readonly chars: number;
}

/**
 * Writes NDJSON to a reader that may be slow, or close the stream. Beyond the bound the oldest values are dropped. In
 * their place stands an event `conflated` with the reason `consumer`. Events stay until they alone take half the bound;
 * then each node keeps a summary of its events.
 */
export class RowOutput {
  /** Events that are written before everything in `waiting`. */
  private front: EventRow[] = [];
  private frontChars = 0;
  private maxFrontChars: number;
  /** Index in `front` of each node's newest `conflated`, if no `reset` follows it. The next one can extend it. */
  private readonly conflated = new Map<string, number>();
  private waiting: (WaitingValue | WaitingEvent)[] = [];
  private head = 0;
  private waitingChars = 0;
  private readonly onDrain = (): void => this.flush();

  constructor(
    private readonly stream: Writable,
    private readonly maxWaitingChars = MAX_WAITING_CHARS,
  ) {
    this.maxFrontChars = maxWaitingChars / 2;
    stream.on("drain", this.onDrain);
  }

  write(row: OutputRow): void {
    const line = formatLine(row);
    if (!this.stream.writableNeedDrain) {
      this.stream.write(line);
      return;
    }
    this.waiting.push(
      "event" in row ? { event: row, chars: line.length } : { node: row.node, offset: row.offset, line },
    );
    this.waitingChars += line.length;
    while (this.waitingChars > this.maxWaitingChars) this.dropOldest();
  }

  /** Resolves when the reader has taken everything, or the stream is closed. */
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
      lines.push("line" in item ? item.line : formatLine(item.event));
    this.setFront([]);
    this.maxFrontChars = this.maxWaitingChars / 2;
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
      this.waitingChars -= item.chars;
      this.toFront(item.event);
    } else {
      this.waitingChars -= item.line.length;
      const { node, offset } = item;
      this.toFront({ node, event: "conflated", from: offset, to: offset, reason: "consumer" });
    }
    if (this.frontChars <= this.maxFrontChars) return;
    this.setFront(summarize(this.front));
    // Summaries of many nodes may be longer than the bound. A higher bound avoids a new summary at every row.
    this.maxFrontChars = Math.max(this.maxWaitingChars / 2, this.frontChars * 2);
  }

  private setFront(rows: readonly EventRow[]): void {
    this.front = [];
    this.frontChars = 0;
    this.conflated.clear();
    for (const row of rows) this.toFront(row);
  }

  private toFront(row: EventRow): void {
    const { node, event, from, to } = row;
    const index = this.conflated.get(node);
    const before = index === undefined ? undefined : this.front[index];
    const next = typeof before?.to === "number" ? before.to + 1 : undefined;
    if (event === "conflated" && index !== undefined && before !== undefined && next === from) {
      const joined: EventRow = { node, event, from: before.from, to, reason: "consumer" };
      this.front[index] = joined;
      this.frontChars += formatLine(joined).length - formatLine(before).length;
      return;
    }
    if (event === "conflated") this.conflated.set(node, this.front.length);
    else if (event === "reset") this.conflated.delete(node);
    this.front.push(row);
    this.frontChars += formatLine(row).length;
  }
}

/**
 * At most four rows for each node. One is a `reset`, from the oldest offset to the newest. One row before it and one
 * after it stand for everything left out; such a row is `lost` if any part was lost. The last row is the newest status.
 */
function summarize(rows: readonly EventRow[]): EventRow[] {
  const nodes = new Map<string, Summary>();
  for (const row of rows) {
    const { node, event } = row;
    const summary = nodes.get(node) ?? {};
    nodes.set(node, summary);
    if (event === "status") summary.status = row;
    else if (event === "reset") {
      summary.reset = { ...row, from: (summary.reset ?? row).from };
      delete summary.behind;
    } else if (summary.reset === undefined) summary.before = spanOf(summary.before, row);
    else summary.behind = spanOf(summary.behind, row);
  }
  return [...nodes.values()].flatMap(({ before, reset, behind, status }) =>
    [before, reset, behind, status].filter((row) => row !== undefined),
  );
}

interface Summary {
  before?: EventRow;
  reset?: EventRow;
  behind?: EventRow;
  status?: EventRow;
}

function spanOf(first: EventRow | undefined, last: EventRow): EventRow {
  if (first === undefined) return last;
  const event = first.event === "lost" ? "lost" : last.event;
  return { node: last.node, event, from: first.from, to: last.to, reason: "consumer" };
}

/** Stands for -0 in `JSON.stringify`. It has a private-use character, which hardly any value has. */
const NEGATIVE_ZERO = "\uf8ff-0\uf8ff";

/** One line of JSON. Bytes become a base64 string. -0 stays -0, although `JSON.stringify` writes 0. */
export function formatLine(row: unknown): string {
  let hasNegativeZero = false;
  const text = JSON.stringify(row, (_, value: unknown) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
    if (!Object.is(value, -0)) return value;
    hasNegativeZero = true;
    return NEGATIVE_ZERO;
  });
  return `${hasNegativeZero ? text.replaceAll(`"${NEGATIVE_ZERO}"`, "-0") : text}\n`;
}

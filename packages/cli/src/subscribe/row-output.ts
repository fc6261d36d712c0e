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

/** Characters of lines that may wait for a slow reader: bounds the memory, and is far more than a burst. */
const MAX_WAITING_CHARS = 16_777_216;
/** Rows written are removed from the queue's front so many at a time. */
const COMPACT_ROWS = 4_096;

interface WaitingValue {
  readonly node: string;
  readonly offset: number;
  readonly line: string;
}

interface WaitingEvent {
  readonly event: EventRow;
  /** Of its line. */
  readonly chars: number;
}

/**
 * NDJSON for a reader that may be slow or go away: beyond the bound the oldest values give way, told in their place as
 * `conflated` with the reason `consumer`. Events stay until they alone take half the bound; then each node keeps a summary of them.
 */
export class RowOutput {
  /** Events that come before everything in `waiting`. */
  private front: EventRow[] = [];
  private frontChars = 0;
  private maxFrontChars: number;
  /** Where in `front` the newest `conflated` of each node is, if no `reset` follows it: it can take in the next. */
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
    // Many nodes' summaries may be longer: so that each is made once in a while, not at every row.
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
 * At most four rows a node: one `reset` from the first offsets to the last ones; before and behind it one row for all that was
 * left out, `lost` if any of it was; and the newest status.
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

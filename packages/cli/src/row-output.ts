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

/** Most rows that wait for a slow reader: seconds of a fast service, some megabytes. */
const MAX_WAITING = 10_000;

/**
 * NDJSON for a reader that may be slow or go away: beyond the bound the oldest values give way, told in their place as
 * `conflated` with the reason `consumer`.
 */
export class RowOutput {
  private waiting: OutputRow[] = [];
  private waitingValues = 0;
  private readonly flush = (): void => {
    const rows = this.waiting;
    this.waiting = [];
    this.waitingValues = 0;
    for (const row of rows) this.write(row);
  };

  constructor(
    private readonly stream: Writable,
    private readonly maxWaiting = MAX_WAITING,
  ) {
    stream.on("drain", this.flush);
  }

  write(row: OutputRow): void {
    if (!this.stream.writableNeedDrain) {
      this.stream.write(`${formatRow(row)}\n`);
      return;
    }
    this.waiting.push(row);
    if ("value" in row && ++this.waitingValues > this.maxWaiting) this.dropOldest();
  }

  private dropOldest(): void {
    const index = this.waiting.findIndex((row) => "value" in row);
    const { node, offset } = this.waiting[index] as ValueRow;
    this.waitingValues--;
    const before = this.waiting[index - 1];
    const told = { node, event: "conflated", to: offset, reason: "consumer" } as const;
    if (isDropped(before, node) && before.to === offset - 1)
      this.waiting.splice(index - 1, 2, { ...told, from: before.from });
    else this.waiting.splice(index, 1, { ...told, from: offset });
  }

  /** Resolves when the reader has taken everything, or is gone. */
  async end(): Promise<void> {
    while (this.waiting.length > 0 && !this.stream.destroyed) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.stream.off("drain", done).off("close", done);
          resolve();
        };
        this.stream.on("drain", done).on("close", done);
      });
    }
    this.stream.off("drain", this.flush);
  }
}

function isDropped(row: OutputRow | undefined, node: string): row is EventRow {
  return row !== undefined && "event" in row && row.reason === "consumer" && row.node === node;
}

/** JSON has no bytes: they are written as a base64 string. */
export function formatRow(row: OutputRow): string {
  return JSON.stringify(row, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
  );
}

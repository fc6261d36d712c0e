import type { Writable } from "node:stream";
import type { MapChangeEvent, RangeEvent, StatusEvent } from "@stanzapack/client";
import type { Value } from "@stanzapack/wire";
import { formatLine } from "../subscribe/row-output.js";

interface MapPosition {
  readonly epoch: number;
  readonly offset: number;
}

/** The part of a map's subscription that is printed. */
export interface PrintedMap {
  readonly map: ReadonlyMap<string, Value>;
  readonly status: string;
  on(event: "change", listener: (event: MapChangeEvent<Value>) => void): unknown;
  on(event: "synced", listener: () => void): unknown;
  on(event: "reset", listener: (event: RangeEvent) => void): unknown;
  on(event: "repaired", listener: (event: { readonly keys: number }) => void): unknown;
  on(event: "status", listener: (event: StatusEvent) => void): unknown;
}

/** The part of a subscription with a cursor that says what was printed. */
export interface TakenMap {
  /** The position of which all changes were emitted. */
  readonly position: MapPosition | undefined;
  markTaken(position: MapPosition): void;
}

/** What waits for the reader beside keys: at most one line of each. */
interface Waiting {
  reset: string | undefined;
  repaired: number;
  synced: boolean;
  status: string | undefined;
}

/**
 * Prints the changes of a map. While the reader is slow, remembers which keys have changed, and prints their newest
 * values later. So what waits is bounded by the keys of the map. Changes of `taken` count as taken once they are
 * written.
 */
export class MapPrinter {
  /** Keys that have changed since the reader became slow. */
  private readonly changed = new Set<string>();
  private readonly waiting: Waiting = { reset: undefined, repaired: 0, synced: false, status: undefined };
  private marking: NodeJS.Immediate | undefined;
  private readonly onDrain = (): void => this.flush();

  constructor(
    private readonly stream: Writable,
    private readonly source: PrintedMap,
    private readonly taken?: TakenMap,
  ) {
    const { waiting, changed } = this;
    stream.on("drain", this.onDrain);
    if (source.status !== "online") waiting.status = source.status;
    this.flush();
    source.on("change", ({ key }) => this.note(() => changed.add(key)));
    source.on("reset", ({ reason }) => {
      // All keys follow.
      changed.clear();
      this.note(() => (waiting.reset = reason));
    });
    source.on("repaired", ({ keys }) => this.note(() => (waiting.repaired += keys)));
    source.on("synced", () => this.note(() => (waiting.synced = true)));
    source.on("status", ({ status }) => this.note(() => (waiting.status = status)));
  }

  private note(change: () => unknown): void {
    change();
    this.flush();
  }

  private flush(): void {
    const { waiting, stream } = this;
    if (stream.writableNeedDrain) return;
    if (waiting.reset !== undefined) this.write({ event: "reset", reason: waiting.reset });
    waiting.reset = undefined;
    for (const key of this.changed) {
      if (stream.writableNeedDrain) return;
      this.changed.delete(key);
      const value = this.source.map.get(key);
      this.write(value === undefined ? { key, removed: true } : { key, value });
    }
    if (stream.writableNeedDrain) return;
    const { repaired, synced, status } = waiting;
    if (repaired > 0) this.write({ event: "repaired", keys: repaired });
    if (synced) this.write({ event: "synced" });
    if (status !== undefined) this.write({ event: "status", reason: status });
    Object.assign(waiting, { repaired: 0, synced: false, status: undefined });
    // Further changes of the same update are emitted first.
    const { taken } = this;
    if (taken !== undefined) this.marking ??= setImmediate(() => this.mark(taken));
  }

  private write(row: Readonly<Record<string, Value>>): void {
    this.stream.write(formatLine(row));
  }

  /** What was written so far is taken once the reader has it. */
  private mark(taken: TakenMap): void {
    this.marking = undefined;
    const { position } = taken;
    if (this.changed.size > 0 || position === undefined) return;
    this.stream.write("", (error) => {
      if (!error) taken.markTaken(position);
    });
  }

  /** Resolves when the reader has taken what was written, or the stream is closed. */
  async end(): Promise<void> {
    this.stream.off("drain", this.onDrain);
    clearImmediate(this.marking);
    if (this.marking !== undefined && this.taken !== undefined) this.mark(this.taken);
    if (this.stream.destroyed) return;
    await new Promise<void>((resolve) => this.stream.write("", () => resolve()));
  }
}

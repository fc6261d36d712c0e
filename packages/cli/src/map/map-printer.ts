import type { Writable } from "node:stream";
import type { MapChangeEvent, StatusEvent } from "@stanzapack/client";
import type { Value } from "@stanzapack/wire";
import { formatLine } from "../subscribe/row-output.js";

/** The part of a map's subscription that is printed. */
export interface PrintedMap {
  readonly map: ReadonlyMap<string, Value>;
  readonly status: string;
  on(event: "change", listener: (event: MapChangeEvent<Value>) => void): unknown;
  on(event: "synced", listener: () => void): unknown;
  on(event: "status", listener: (event: StatusEvent) => void): unknown;
}

/**
 * Prints the changes of a map. While the reader is slow, remembers which keys have changed, and prints their newest
 * values later. So what waits is bounded by the keys of the map.
 */
export class MapPrinter {
  /** Keys that have changed since the reader became slow. */
  private readonly changed = new Set<string>();
  private synced = false;
  private status: string | undefined;
  private readonly onDrain = (): void => this.flush();

  constructor(
    private readonly stream: Writable,
    private readonly source: PrintedMap,
  ) {
    stream.on("drain", this.onDrain);
    if (source.status !== "online") this.status = source.status;
    this.flush();
    source.on("change", ({ key }) => this.note(() => this.changed.add(key)));
    source.on("synced", () => this.note(() => (this.synced = true)));
    source.on("status", ({ status }) => this.note(() => (this.status = status)));
  }

  private note(change: () => unknown): void {
    change();
    this.flush();
  }

  private flush(): void {
    for (const key of this.changed) {
      if (this.stream.writableNeedDrain) return;
      this.changed.delete(key);
      const value = this.source.map.get(key);
      this.stream.write(formatLine(value === undefined ? { key, removed: true } : { key, value }));
    }
    if (this.stream.writableNeedDrain) return;
    if (this.synced) this.stream.write(formatLine({ event: "synced" }));
    this.synced = false;
    if (this.status !== undefined) this.stream.write(formatLine({ event: "status", reason: this.status }));
    this.status = undefined;
  }

  /** Resolves when the reader has taken what was written, or the stream is closed. */
  async end(): Promise<void> {
    this.stream.off("drain", this.onDrain);
    if (this.stream.destroyed) return;
    await new Promise<void>((resolve) => this.stream.write("", () => resolve()));
  }
}

import { Overlay } from "../base/map-overlay.js";
import type { Engine, Write } from "./engine.js";
import { mapEntryKey, mapRange } from "./keys.js";
import { decodeMapEntry, encodeMapEntry } from "../base/map-entries.js";
import type { MapWrite, StoredEntry } from "../store.js";

/** The part of a map in a commit. */
export interface MapBatch {
  readonly writes: readonly Write[];
  readonly done: () => void;
  readonly failed: () => void;
}

/** The entries of one map: on the disk, and in memory those that are not on the disk yet. */
export class DiskMap {
  private dirty = new Overlay();
  private flying: Overlay | undefined;

  constructor(
    private readonly engine: Engine,
    /** Number of the service in the engine's keys. */
    private readonly number: number,
    /** Called for an entry on the disk that cannot be read. */
    private readonly onDamaged: () => void,
  ) {}

  /** Bytes that wait for the disk. */
  get unwrittenBytes(): number {
    return this.dirty.bytes + (this.flying?.bytes ?? 0);
  }

  /** Takes changes that readers see before they are on the disk. */
  apply(writes: readonly MapWrite[]): void {
    for (const write of writes) this.dirty.apply(write);
  }

  *entries(): Iterable<StoredEntry> {
    const whole = new Overlay();
    for (const overlay of [this.flying, this.dirty]) if (overlay !== undefined) whole.merge(overlay);
    const { from, to } = mapRange(this.number);
    if (!whole.cleared)
      for (const { value } of this.engine.range(from, to)) {
        if (value === undefined) this.onDamaged();
        else {
          const entry = decodeMapEntry(value);
          if (!whole.entries.has(entry.key)) yield entry;
        }
      }
    for (const entry of whole.entries.values()) if (entry !== undefined) yield entry;
  }

  /** Returns the writes of what is not on the disk, and of `waiting`, which readers see only when they are done. */
  prepare(waiting: readonly MapWrite[]): MapBatch {
    const flying = (this.flying = this.dirty);
    this.dirty = new Overlay();
    const whole = new Overlay();
    whole.merge(flying);
    for (const write of waiting) whole.apply(write);
    return {
      writes: [...this.writesOf(whole)],
      done: () => (this.flying = undefined),
      failed: () => {
        flying.merge(this.dirty);
        this.dirty = flying;
        this.flying = undefined;
      },
    };
  }

  private *writesOf({ cleared, entries }: Overlay): Iterable<Write> {
    const { engine, number } = this;
    const writes = [...entries].map(([key, entry]) => ({
      key: mapEntryKey(number, key),
      value: entry && encodeMapEntry(entry),
    }));
    if (cleared) {
      const kept = new Set(writes.map(({ key }) => Buffer.from(key).toString("latin1")));
      const { from, to } = mapRange(number);
      for (const { key } of engine.range(from, to))
        if (!kept.has(Buffer.from(key).toString("latin1"))) yield { key, value: undefined };
    }
    yield* writes;
  }
}

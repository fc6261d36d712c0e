import {
  DEFAULT_LIMITS,
  readMapUpdate,
  StanzapackError,
  type DataBatch,
  type MapEntry,
  type SnapshotFrame,
  type Value,
} from "@stanzapack/wire";
import { isSameValue } from "./same-value.js";

/** One key of a map has changed. */
export interface MapChangeEvent<T> {
  readonly key: string;
  /** Undefined: the key was removed. */
  readonly value: T | undefined;
  /** The value before. Undefined: the key is new. */
  readonly previous: T | undefined;
}

/** How far the catching up of a map is, in entries. */
export interface SyncingEvent {
  /** Entries that have arrived. An entry is the newest change of a key. */
  readonly received: number;
  /** Entries that follow, about. */
  readonly left: number;
}

/** What a replica makes of a frame. */
export interface MapOutcome {
  /** Keys that have another value now. */
  readonly changes: readonly MapChangeEvent<Value>[];
  /** The map is whole again. */
  readonly synced: boolean;
  /** The map is not whole yet. */
  readonly syncing: SyncingEvent | undefined;
}

const NOTHING: MapOutcome = { changes: [], synced: false, syncing: undefined };

/**
 * A copy of a map. At each moment it is the publisher's map of one position: changes of an update, and those of a
 * catch-up, wait until all of them are here, and then apply together.
 */
export class MapReplica {
  readonly values = new Map<string, Value>();
  private epoch = 0;
  /** Every change up to this position is here, in `values` or `staged`, unless a later change has replaced it. */
  private offset = 0;
  /** Changes that wait. Undefined: the key is removed. */
  private readonly staged = new Map<string, Value | undefined>();
  /** Keys that are not staged are removed when `staged` is applied. */
  private anew = false;
  private isWhole = false;
  /** The map's new life has no update yet. The replica stays as it was, until the publisher has sent its state again. */
  private awaitsFirst = false;
  private received = 0;
  /** Keys from before the first position are not here, because the program keeps them elsewhere. */
  private isPart = false;
  /** Takes the keys that change. */
  onChanged: ((key: string) => void) | undefined;

  /** The position of the replica. Undefined before the first entry. */
  get position(): { readonly epoch: number; readonly offset: number } | undefined {
    const { epoch, offset } = this;
    return epoch === 0 ? undefined : { epoch, offset };
  }

  /** Whether the replica is the publisher's map, as far as the component has said. */
  get synced(): boolean {
    return this.isWhole;
  }

  /**
   * Whether `values` is the map of this position, or of an earlier one after which nothing has changed for this
   * subscription.
   */
  isAt({ epoch, position }: { readonly epoch: number; readonly position: number }): boolean {
    return this.isWhole && this.staged.size === 0 && epoch === this.epoch && this.offset <= position;
  }

  /** Whether the replica has only keys that changed after the position where it began. */
  get partial(): boolean {
    return this.isPart;
  }

  /**
   * The position of the map that `values` shows. Undefined: it shows none yet, or some changes of the last position
   * still wait.
   */
  get shown(): { readonly epoch: number; readonly offset: number } | undefined {
    return this.staged.size > 0 || this.anew || this.awaitsFirst ? undefined : this.position;
  }

  /**
   * The replica continues at this position, before its first frame. `copy`: the map of about that position, which the
   * program has kept. Undefined: the program keeps the map elsewhere, so only later changes are here.
   */
  startAt(
    { epoch, offset }: { readonly epoch: number; readonly offset: number },
    copy: Iterable<readonly [string, Value]> | undefined,
  ): void {
    Object.assign(this, { epoch, offset, isPart: copy === undefined && offset > 0 });
    for (const [key, value] of copy ?? []) this.values.set(key, value);
  }

  /** Drops everything, because the program drops what it has kept. The whole map follows. */
  forget(): void {
    this.values.clear();
    this.interrupt();
  }

  /** The replica as it is, for a reader that knows nothing of it. */
  get state(): MapOutcome {
    const changes = [...this.values].map(([key, value]) => ({ key, value, previous: undefined }));
    return { changes, synced: this.isWhole, syncing: undefined };
  }

  /** The link has ended. Positions and waiting changes stay. */
  interrupt(): void {
    this.isWhole = false;
    this.received = 0;
  }

  /** Takes a SNAPSHOT frame and its entries. Throws `protocol` if it does not continue from here. */
  snapshot(frame: SnapshotFrame, entries: readonly MapEntry<Value>[]): MapOutcome {
    const { epoch, from, to, begins, left } = frame;
    if (begins) this.begin(epoch);
    else if (epoch !== this.epoch || from > this.offset + 1)
      throw new StanzapackError(
        "protocol",
        `SNAPSHOT from ${epoch}:${from} does not follow ${this.epoch}:${this.offset}`,
        { origin: "peer" },
      );
    this.awaitsFirst = begins && to === 0 && left === 0 && this.values.size > 0;
    if (this.awaitsFirst) {
      this.isWhole = false;
      return NOTHING;
    }
    for (const { key, value } of entries) this.staged.set(key, value);
    this.received += entries.length;
    this.offset = Math.max(this.offset, to);
    if (left > 0) {
      this.isWhole = false;
      return { ...NOTHING, syncing: { received: this.received, left } };
    }
    const synced = !this.isWhole;
    this.isWhole = true;
    this.received = 0;
    return { changes: this.apply(), synced, syncing: undefined };
  }

  /** Takes the updates of a DATA frame. Throws `malformed` or `limit-exceeded`. */
  update({ epoch, to, rows }: DataBatch<Value>): MapOutcome {
    // DATA follows the map of its epoch. Without that map it says nothing.
    if (epoch !== this.epoch) return NOTHING;
    const changes: MapChangeEvent<Value>[] = [];
    let synced = false;
    for (const [i, row] of rows.entries()) {
      const position = to - rows.length + 1 + i;
      if (position <= this.offset) continue;
      const { continues } = this.stage(row);
      this.offset = position;
      if (this.awaitsFirst && !continues) {
        this.awaitsFirst = false;
        this.isWhole = synced = true;
      }
      if (this.isWhole && !continues) for (const change of this.apply()) changes.push(change);
    }
    this.offset = Math.max(this.offset, to);
    return { ...NOTHING, changes, synced };
  }

  /** Sets these entries, and removes the keys of `held` that they do not name. Returns what differed. */
  repair(entries: readonly MapEntry<Value>[], held: Iterable<string>): MapOutcome {
    const named = new Map(entries.map(({ key, value }) => [key, value]));
    for (const key of held) if (!named.has(key)) this.staged.set(key, undefined);
    for (const [key, value] of named) this.staged.set(key, value);
    return { ...NOTHING, changes: this.apply() };
  }

  private begin(epoch: number): void {
    this.epoch = epoch;
    this.offset = this.received = 0;
    this.staged.clear();
    this.anew = true;
    this.isPart = this.awaitsFirst = false;
  }

  private stage(row: Value): { readonly continues: boolean } {
    const { changes, continues } = readMapUpdate(row, DEFAULT_LIMITS);
    for (const change of changes)
      if (change.type === "clear") {
        this.staged.clear();
        this.anew = true;
      } else this.staged.set(change.key, change.type === "set" ? change.value : undefined);
    return { continues };
  }

  /** Applies what waits. Returns the keys that have another value now. */
  private apply(): MapChangeEvent<Value>[] {
    const { values, staged } = this;
    const changes: MapChangeEvent<Value>[] = [];
    if (this.anew)
      for (const [key, previous] of values)
        if (staged.get(key) === undefined) changes.push({ key, value: undefined, previous });
    for (const [key, value] of staged) {
      const previous = values.get(key);
      // The program may have a key that is not here.
      const isNews = value === undefined ? previous !== undefined || this.isPart : !isSame(previous, value);
      if (!isNews || (value === undefined && this.anew)) continue;
      changes.push({ key, value, previous });
    }
    for (const { key, value } of changes) {
      if (value === undefined) values.delete(key);
      else values.set(key, value);
      this.onChanged?.(key);
    }
    staged.clear();
    this.anew = false;
    return changes;
  }
}

function isSame(previous: Value | undefined, value: Value): boolean {
  return previous !== undefined && isSameValue(previous, value);
}

import type { Durability } from "../../options/service-config.js";
import type { Later } from "../../base/later.js";
import type { Batch, Committer, Writer } from "./committer.js";
import { DiskJournal, type JournalParts } from "./disk-journal.js";
import { DiskMap } from "./disk-map.js";
import type { Engine, Write } from "./engine.js";
import type { JournalRow } from "../base/entries.js";
import { assertNext, assertSameMedium } from "../base/checks.js";
import { storeFailed } from "../base/failure.js";
import { epochKey, numberKey } from "./keys.js";
import {
  decodeValue,
  encodeRecord,
  encodeValue,
  ownerOf,
  type Head,
  type Position,
} from "../base/records.js";
import { tighter, type Retention } from "../base/retention.js";
import type {
  OffsetRange,
  StoredChange,
  StoredEntry,
  StoredJournal,
  StoredRecord,
  StoredService,
  StoredValue,
} from "../store.js";

/** Fewest offsets that one write reserves. 4,096: reserving costs at most one commit for each 2,048 updates. */
const MIN_RESERVED = 4_096;
/** Most offsets that one write reserves. */
const MAX_RESERVED = 1_048_576;

export interface ServiceParts extends Omit<JournalParts, "onDropped" | "retention" | "owner"> {
  readonly engine: Engine;
  readonly committer: Committer;
  readonly retention: Retention;
  /** Wall time, in ms since 1970. */
  readonly now: () => number;
  /** Throws `store-failed` if commits fail and the updates that wait for the disk have reached their bound. */
  readonly assertRoom: () => void;
  readonly onDeleted: () => void;
}

/** A change of a caller, or of the durability. */
type Change = StoredChange & { readonly durability?: Durability };

/** A change that waits for the disk. Readers see it once it is there. */
interface Waiting {
  readonly change: Change;
  readonly rows: readonly JournalRow[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A service on the disk, open or not. */
export class DiskService implements StoredService, Writer {
  isOpen = false;
  readonly gap: OffsetRange | undefined;
  private readonly stored: DiskJournal;
  private readonly map: DiskMap;
  private marks: Position["map"];
  private bounds: Retention;
  private offset: number;
  private incarnations: Position["incarnations"];
  /** Offsets up to this one are reserved on the disk. */
  private reserved: number;
  private reserving = MIN_RESERVED;
  /** The last value. Undefined: not read yet. Null: the service has none. */
  private value: StoredValue | null | undefined;
  private waiting: Waiting[] = [];
  /** Changes in the commit that is under way. */
  private flying: readonly Waiting[] = [];
  private headChanged = false;
  private valueChanged = false;
  private state: "stored" | "closing" | "deleting" | "deleted" = "stored";
  private deletion: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;

  constructor(
    private readonly parts: ServiceParts,
    private head: Head,
    position: Position,
  ) {
    const { offset, reserved, incarnations, extent, map } = position;
    this.gap = reserved > offset ? { from: offset + 1, to: reserved } : undefined;
    this.marks = withDoubt(map, this.gap);
    this.bounds = parts.retention;
    this.offset = reserved;
    this.reserved = reserved;
    this.incarnations = incarnations;
    const { engine, number, shares, onLost } = parts;
    this.stored = new DiskJournal(
      {
        ...{ engine, number, shares, onLost, owner: ownerOf(head.node) },
        retention: () => this.bounds,
        onDropped: () => parts.committer.later(this),
      },
      extent,
    );
    this.map = new DiskMap(engine, number, () => onLost({ from: 1, to: this.offset }));
  }

  get journal(): StoredJournal {
    return this.stored;
  }
  get node(): string {
    return this.head.node;
  }
  get epoch(): number {
    return this.head.epoch;
  }
  get seenAt(): number {
    return this.head.seenAt;
  }
  get unwrittenBytes(): number {
    return this.stored.unwrittenBytes + this.map.unwrittenBytes;
  }

  get record(): StoredRecord {
    // The last value is read from the disk at its first use.
    const last = (): StoredValue | undefined => this.last();
    return {
      ...this.head,
      ...{ offset: this.offset, incarnations: this.incarnations, map: this.marks },
      get last() {
        return last();
      },
    };
  }

  private last(): StoredValue | undefined {
    if (this.value === undefined) {
      const item = this.parts.engine.get(numberKey("value", this.parts.number));
      const newest = this.stored.newestRow();
      this.value = item?.value !== undefined ? decodeValue(item.value) : (newest ?? null);
    }
    return this.value === null ? undefined : { row: this.value.row, at: this.value.at };
  }

  /** Opens the service. `retention`: further bounds of its own. Throws `store-failed` if the service is open already. */
  begin(retention: Retention | undefined): this {
    if (this.isOpen)
      throw storeFailed(`\`${this.node}\` is open already`, "Close it first. Report this fault.");
    this.isOpen = true;
    this.bounds = retention === undefined ? this.parts.retention : tighter(retention, this.parts.retention);
    return this;
  }

  entries(): Iterable<StoredEntry> {
    return this.map.entries();
  }

  write(change: StoredChange): Later<void> {
    return this.change(change);
  }

  setDurability(durability: Durability): Later<void> {
    assertSameMedium(this.record, durability);
    if (durability === this.head.durability) return;
    return this.wait({ durability });
  }

  private change(change: Change): Later<void> {
    if (this.state !== "stored") throw storeFailed(`\`${this.node}\` is no longer stored`, "Create it anew.");
    const { append } = change;
    const to = append?.to ?? change.offset ?? this.offset;
    assertNext(this.node, this.lastWaiting().at(-1)?.offset ?? this.offset, append);
    const behind = this.waiting.length > 0 || this.flying.length > 0;
    if (this.head.durability === "sync" || behind || to > this.reserved) return this.wait(change);
    if (append !== undefined || change.map !== undefined) this.parts.assertRoom();
    const rows = append === undefined ? [] : this.stored.rowsOf(append, []);
    this.stored.append(rows);
    this.apply(change, rows);
    const { committer } = this.parts;
    // Reserves early, so that the remaining offsets last until the next reservation is on the disk.
    if (this.reserved - to < this.reserving / 2) committer.soon(this);
    else committer.later(this);
  }

  /** Returns the rows of the newest change with rows, of those that wait for the disk. */
  private lastWaiting(): readonly JournalRow[] {
    const has = ({ rows }: Waiting): boolean => rows.length > 0;
    return (this.waiting.findLast(has) ?? this.flying.findLast(has))?.rows ?? [];
  }

  private wait(change: Change): Promise<void> {
    return new Promise((resolve, reject) => {
      const rows = change.append === undefined ? [] : this.stored.rowsOf(change.append, this.lastWaiting());
      this.waiting.push({ change, rows, resolve, reject });
      this.parts.committer.soon(this);
    });
  }

  /** Stores a new service. Resolves when its record is on the disk. */
  create(last: StoredValue | undefined): Promise<void> {
    this.headChanged = true;
    return this.wait(last === undefined ? {} : { last });
  }

  /** Makes a change visible to readers. */
  private apply(
    { incarnations, offset, last, append, map, ...head }: Change,
    rows: readonly JournalRow[],
    isOnDisk = false,
  ): void {
    this.offset = append?.to ?? offset ?? this.offset;
    if (map !== undefined) {
      this.marks = map.marks;
      if (!isOnDisk) this.map.apply(map.writes);
    }
    if (incarnations !== undefined) this.incarnations = incarnations;
    const { config, approved, seenAt, durability } = head;
    if ([config, approved, seenAt, durability].some((field) => field !== undefined)) {
      this.head = { ...this.head, ...defined({ config, approved, seenAt, durability }) };
      this.headChanged = true;
    }
    const newest = rows.at(-1);
    if (last !== undefined) {
      this.value = last;
      this.valueChanged = true;
    } else if (newest !== undefined) this.value = { row: newest.row, at: newest.at };
  }

  prepare(): Batch | undefined {
    if (this.state === "deleted") return undefined;
    if (this.state === "deleting") return this.prepareDeletion();
    const taken = this.waiting;
    this.waiting = [];
    this.flying = taken;
    const journal = this.stored.prepare(taken.flatMap(({ rows }) => rows));
    const map = this.map.prepare(taken.flatMap(({ change }) => change.map?.writes ?? []));
    const { head, position, value } = this.next(
      taken.map(({ change }) => change),
      journal.extent,
    );
    const [headChanged, valueChanged] = [this.headChanged, this.valueChanged];
    [this.headChanged, this.valueChanged] = [false, false];
    const { number } = this.parts;
    const writes: Write[] = [
      ...journal.writes,
      ...map.writes,
      { key: numberKey("position", number), value: encodeRecord(position) },
    ];
    if (headChanged || head !== this.head)
      writes.push({ key: numberKey("head", number), value: encodeRecord(head) });
    if (value !== undefined) writes.push({ key: numberKey("value", number), value: encodeValue(value) });
    return {
      writes,
      done: () => {
        this.reserved = position.reserved;
        const changed = [this.headChanged, this.valueChanged] as const;
        for (const { change, rows } of taken) this.apply(change, rows, true);
        // The changes of this commit are on the disk. Only changes made meanwhile are not.
        [this.headChanged, this.valueChanged] = changed;
        journal.done();
        map.done();
        this.flying = [];
        for (const { resolve } of taken) resolve();
      },
      failed: (error) => {
        this.headChanged ||= headChanged;
        this.valueChanged ||= valueChanged;
        journal.failed();
        map.failed();
        this.flying = [];
        // Changes that arrived meanwhile depend on the failed changes.
        const refused = taken.length === 0 ? taken : taken.concat(this.waiting.splice(0));
        for (const { reject } of refused) reject(error);
        this.parts.committer.later(this);
      },
    };
  }

  /** Returns the record as it is after some changes. */
  private next(changes: readonly Change[], extent: Position["extent"]) {
    let { head, offset, incarnations, marks } = this;
    let value = this.valueChanged ? this.value : undefined;
    for (const { append, last, offset: to, incarnations: progress, map, ...rest } of changes) {
      marks = map?.marks ?? marks;
      offset = append?.to ?? to ?? offset;
      incarnations = progress ?? incarnations;
      value = last ?? value;
      const fields = defined(rest);
      if (Object.keys(fields).length > 0) head = { ...head, ...fields };
    }
    const reserved = this.reserve(head.durability, offset);
    const position = { offset, reserved, incarnations, extent, ...(marks && { map: marks }) };
    return { head, position, value: value ?? undefined };
  }

  private reserve(durability: Durability, offset: number): number {
    if (durability === "sync" || this.state === "closing") return offset;
    const left = this.reserved - offset;
    if (left >= this.reserving / 2) return this.reserved;
    // Few offsets are left before the next reservation is written: reserves more at once.
    if (left !== 0 && left < this.reserving / 4) this.reserving = Math.min(MAX_RESERVED, this.reserving * 2);
    return offset + this.reserving;
  }

  delete(): Later<void> {
    if (this.state !== "stored") return;
    return new Promise((resolve, reject) => {
      this.state = "deleting";
      this.deletion = { resolve, reject };
      const gone = storeFailed(`\`${this.node}\` is deleted`, "Create it anew.");
      for (const { reject: refuse } of this.waiting.splice(0)) refuse(gone);
      this.parts.committer.soon(this);
    });
  }

  private prepareDeletion(): Batch {
    const { number, now } = this.parts;
    const { node, epoch } = this.head;
    const removed = (["head", "position", "value"] as const).map((table) => numberKey(table, number));
    return {
      writes: [
        ...removed.map((key) => ({ key, value: undefined })),
        { key: epochKey(node), value: encodeRecord({ epoch, at: now() }) },
        { key: numberKey("removal", number), value: encodeRecord({ epoch, at: now() }) },
      ],
      done: () => {
        this.forget();
        this.parts.onDeleted();
        this.deletion?.resolve();
      },
      failed: (error) => {
        this.state = "stored";
        this.deletion?.reject(error);
      },
    };
  }

  /** Notes that the service is no longer on the disk, or never was. */
  forget(): void {
    this.state = "deleted";
    this.stored.clear();
  }

  close(): void {
    this.isOpen = false;
    if (this.state !== "stored") return;
    this.apply({ seenAt: this.parts.now() }, []);
    this.parts.committer.later(this);
  }

  /** Drops at most `most` updates beyond the bounds. `now`: in ms since 1970. */
  trim(now: number, most: number): void {
    this.stored.trim(now, most);
  }

  /** Called when the store closes. Gives back the reserved offsets that no update has. */
  end(): void {
    if (this.state !== "stored") return;
    this.state = "closing";
    if (this.reserved !== this.offset) this.parts.committer.later(this);
  }
}

/** Returns the fields that are not undefined. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** The marks of a map after a crash that may have lost the positions of `gap`. */
function withDoubt(marks: Position["map"], gap: OffsetRange | undefined): Position["map"] {
  if (gap === undefined) return marks;
  const { doubt = gap, floor = 0, continues = false } = marks ?? {};
  return {
    floor,
    continues,
    doubt: { from: Math.min(doubt.from, gap.from), to: Math.max(doubt.to, gap.to) },
  };
}

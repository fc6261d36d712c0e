import { MemoryService, type MemoryParts } from "./memory-service.js";
import { storeFailed } from "../base/failure.js";
import type {
  CursorKey,
  OpenOptions,
  Store,
  StoredCursor,
  StoredCursors,
  StoredRecord,
  StoredService,
  StoreExpiry,
  StoreUsage,
} from "../store.js";

export interface MemoryStoreOptions extends Omit<MemoryParts, "onDeleted"> {
  readonly expiry: StoreExpiry;
  /** Wall time, in ms since 1970. */
  readonly now: () => number;
}

class MemoryCursors implements StoredCursors {
  private readonly byKey = new Map<string, StoredCursor>();

  put(cursor: StoredCursor): void {
    this.byKey.set(keyOf(cursor), cursor);
  }
  get(key: CursorKey): StoredCursor | undefined {
    return this.byKey.get(keyOf(key));
  }
  all(): Iterable<StoredCursor> {
    return this.byKey.values();
  }
  ofNode(node: string): StoredCursor[] {
    return [...this.byKey.values()].filter((cursor) => cursor.node === node);
  }
  ofOwner(owner: string): StoredCursor[] {
    return [...this.byKey.values()].filter((cursor) => cursor.owner === owner);
  }
  delete(key: CursorKey): void {
    this.byKey.delete(keyOf(key));
  }
  expire(before: number): void {
    for (const cursor of this.byKey.values()) if (cursor.at < before) this.delete(cursor);
  }
}

function keyOf({ node, owner, cursor }: CursorKey): string {
  return [node, owner, cursor].join("\0");
}

/** A store in memory: for tests, and for services with durability `none` of a `DiskStore`. */
export class MemoryStore implements Store {
  readonly cursors = new MemoryCursors();
  private readonly byNode = new Map<string, MemoryService>();
  /** Node → epoch of its deleted service, and when it was deleted, in ms since 1970. */
  private readonly past = new Map<string, { readonly epoch: number; readonly at: number }>();

  constructor(private readonly options: MemoryStoreOptions) {}

  *services(): Iterable<StoredRecord> {
    for (const { record } of this.byNode.values()) yield record;
  }

  open(node: string, { retention }: OpenOptions = {}): StoredService | undefined {
    return this.byNode.get(node)?.begin(retention);
  }

  create(record: StoredRecord, { retention }: OpenOptions = {}): StoredService {
    const { node } = record;
    if (this.byNode.has(node))
      throw storeFailed(`\`${node}\` is stored already`, "Open it, or delete it first.");
    const epoch = this.nextEpoch(node) ?? record.epoch;
    const onDeleted = (service: MemoryService): void => {
      this.byNode.delete(node);
      this.past.set(node, { epoch: service.record.epoch, at: this.options.now() });
    };
    const service = new MemoryService({ ...record, epoch }, { ...this.options, onDeleted });
    this.byNode.set(node, service);
    return service.begin(retention);
  }

  /** Returns the epoch of the node's next life. Undefined: the store knows no earlier life. */
  nextEpoch(node: string): number | undefined {
    const past = this.past.get(node);
    return past && past.epoch + 1;
  }

  has(node: string): boolean {
    return this.byNode.has(node);
  }

  sweep(now: number): void {
    const { serviceMs, cursorMs, epochMs } = this.options.expiry;
    this.cursors.expire(now - cursorMs);
    for (const [node, { at }] of this.past) if (at < now - epochMs) this.past.delete(node);
    for (const service of this.byNode.values()) {
      service.trim(now);
      if (!service.isOpen && service.record.seenAt < now - serviceMs) service.delete();
    }
  }

  usage(): StoreUsage {
    const { used } = this.options.shares;
    return {
      journalBytes: used,
      fileBytes: 0,
      services: this.byNode.size,
      unwrittenBytes: 0,
      problem: undefined,
    };
  }

  async close(): Promise<void> {
    // Nothing to close: everything is in memory.
  }
}

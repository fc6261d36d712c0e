import type { Durability } from "../../options/service-config.js";
import { wallAheadMs } from "@stanzapack/xmpp";
import { assertNext, assertSameMedium } from "../base/checks.js";
import { storeFailed } from "../base/failure.js";
import type { JournalMemory } from "../base/journal-memory.js";
import { MemoryJournal } from "./memory-journal.js";
import { ownerOf } from "../base/records.js";
import { tighter, type Retention } from "../base/retention.js";
import type { StoredChange, StoredEntry, StoredJournal, StoredRecord, StoredService } from "../store.js";

export interface MemoryParts {
  /** Bounds the journals of each owner, and of all. */
  readonly shares: JournalMemory;
  /** Bounds of all journals. A service may have further bounds of its own. */
  readonly retention: Retention;
  readonly onDeleted: (service: MemoryService) => void;
}

/** A service in memory. */
export class MemoryService implements StoredService {
  isOpen = false;
  readonly gap = undefined;
  private readonly stored: MemoryJournal;
  private bounds: Retention;
  private isDeleted = false;
  private readonly mapEntries = new Map<string, StoredEntry>();

  constructor(
    public record: StoredRecord,
    private readonly parts: MemoryParts,
  ) {
    this.bounds = parts.retention;
    this.stored = new MemoryJournal(() => this.bounds, parts.shares, ownerOf(record.node), record.offset);
  }

  get journal(): StoredJournal {
    return this.stored;
  }

  /** Opens the service. `retention`: further bounds of its own. Throws `store-failed` if the service is open already. */
  begin(retention: Retention | undefined): this {
    if (this.isOpen) throw storeFailed(`\`${this.record.node}\` is open already`, "Close it first.");
    this.isOpen = true;
    this.bounds = retention === undefined ? this.parts.retention : tighter(retention, this.parts.retention);
    return this;
  }

  entries(): Iterable<StoredEntry> {
    return this.mapEntries.values();
  }

  private writeMap({ writes, marks }: NonNullable<StoredChange["map"]>): void {
    for (const write of writes)
      if (write.type === "clear") this.mapEntries.clear();
      else if (write.type === "put") this.mapEntries.set(write.entry.key, write.entry);
      else this.mapEntries.delete(write.key);
    this.record = { ...this.record, map: marks };
  }

  write({ append, map, ...change }: StoredChange): void {
    const { node } = this.record;
    if (this.isDeleted) throw storeFailed(`\`${node}\` is no longer stored`, "Create it anew.");
    assertNext(node, this.record.offset, append);
    this.record = { ...this.record, ...change };
    if (map !== undefined) this.writeMap(map);
    if (append === undefined) return;
    const { from, to, rows, ats, cameAt } = append;
    this.stored.append(from, to, rows, ats, cameAt);
    const last = {
      row: rows.at(-1) as Uint8Array,
      at: (ats.at(-1) as number) + wallAheadMs(),
    };
    this.record = { ...this.record, offset: to, last: change.last ?? last };
  }

  setDurability(durability: Durability): void {
    assertSameMedium(this.record, durability);
    this.record = { ...this.record, durability };
  }

  delete(): void {
    if (this.isDeleted) return;
    this.isDeleted = true;
    this.stored.clear();
    this.parts.onDeleted(this);
  }

  close(): void {
    this.isOpen = false;
  }

  /** Drops updates beyond the bounds. `now`: in ms since 1970. */
  trim(now: number): void {
    this.stored.trim(now);
  }
}

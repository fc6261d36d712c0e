import type { Later } from "../../base/later.js";
import type { FollowedService } from "../../nodes/node-store.js";
import type { JournalRow } from "../base/entries.js";
import type { StoredEntry, StoredRecord } from "../store.js";
import type { RedisJournal } from "./redis-journal.js";

export interface FollowedParts {
  readonly readEntries: () => Promise<StoredEntry[]>;
  /** Reads where the service and its journal are now. Undefined: the service is not stored any more. */
  readonly look: () => Promise<
    | {
        readonly epoch: number;
        readonly offset: number;
        readonly first: number;
        readonly droppedAt: number;
      }
    | undefined
  >;
}

/** A service in Redis that another process owns. It writes nothing. */
export class FollowedRedisService implements FollowedService {
  readonly gap = undefined;
  private offset: number;

  constructor(
    private readonly found: StoredRecord,
    readonly journal: RedisJournal,
    private readonly parts: FollowedParts,
  ) {
    this.offset = found.offset;
  }

  get record(): StoredRecord {
    const newest = this.journal.newestRow;
    const last = this.found.last ?? (newest && { row: newest.row, at: newest.at });
    return { ...this.found, offset: this.offset, last };
  }

  entries(): Later<Iterable<StoredEntry>> {
    return this.parts.readEntries();
  }

  extend(rows: readonly JournalRow[], to: number): void {
    this.offset = to;
    this.journal.extend(rows);
  }

  jump(to: number): void {
    this.offset = to;
    this.journal.jump(to);
  }

  async look(): Promise<Pick<StoredRecord, "epoch" | "offset"> | undefined> {
    const now = await this.parts.look();
    if (now?.epoch === this.found.epoch) this.journal.ownerDropped(now.first, now.droppedAt);
    return now;
  }

  /* The owner writes. */
  write(): Later<void> {}
  setDurability(): Later<void> {}
  delete(): Later<void> {}

  close(): void {
    this.journal.clear();
  }
}

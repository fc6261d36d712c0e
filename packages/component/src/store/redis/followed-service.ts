import type { Later } from "../../base/later.js";
import type { FollowedService } from "../../nodes/node-store.js";
import type { JournalRow } from "../base/entries.js";
import { JournalMemory } from "../base/journal-memory.js";
import { ownerOf } from "../base/records.js";
import type { Retention } from "../base/retention.js";
import type { StoredEntry, StoredRecord } from "../store.js";
import type { Connections } from "./connections.js";
import { decodeFields, decodeJournal } from "./fields.js";
import type { Keys } from "./keys.js";
import { FOLLOW } from "./node-scripts.js";
import { RedisJournal } from "./redis-journal.js";
import type { Reply } from "./redis-link.js";
import { readMap } from "./redis-map.js";
import type { RedisReader } from "./redis-reader.js";

/** What a node only reads counts where it is written. */
const UNBOUNDED = new JournalMemory({
  ...{ maxLogBytes: Infinity, maxLogBytesPerJid: Infinity, remotePercent: 100, domainShare: Infinity },
});
const NO_RETENTION: Retention = { maxRows: Infinity, maxBytes: Infinity, maxAgeMs: Infinity };

export interface FollowOptions {
  readonly keys: ReturnType<Keys["service"]>;
  readonly connections: Connections;
  /** Bounds what is held in memory. */
  readonly memoryShares: JournalMemory;
  readonly readerOf: (journal: string, epoch: number) => RedisReader;
}

/** Follows a service that another process writes. Undefined: it is not stored. */
export async function followService(
  node: string,
  { keys, connections, memoryShares, readerOf }: FollowOptions,
): Promise<FollowedRedisService | undefined> {
  const { record, journal, map } = keys;
  const reply = await connections.ask(
    async (send) => (await send(["EVALSHA", FOLLOW.sha, "2", record, journal])) as readonly Reply[],
  );
  const [fields = [], oldest = [], newest = []] = reply;
  const found = decodeFields(fields);
  if (found === undefined) return undefined;
  const { epoch } = found.record;
  const made = new RedisJournal(
    {
      ...{ owner: ownerOf(node), epoch, storedShares: UNBOUNDED, retention: () => NO_RETENTION },
      ...{ memoryShares, onDropped: () => undefined, reader: readerOf(journal, epoch) },
    },
    decodeJournal(found, oldest, newest),
  );
  return new FollowedRedisService(found.record, made, {
    readEntries: () => connections.ask((send) => readMap(send, map)),
    look: async () => {
      const names = ["epoch", "offset", "first", "droppedAt"] as const;
      const values = (await connections.link.send(["HMGET", record, ...names])) as readonly Reply[];
      if (values[0] === null) return undefined;
      const [epochNow, offset, first, droppedAt] = values.map((value) => Number(String(value)));
      return { epoch: epochNow, offset, first, droppedAt } as Record<(typeof names)[number], number>;
    },
  });
}

interface FollowedParts {
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
class FollowedRedisService implements FollowedService {
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

import { setTimeout as sleep } from "node:timers/promises";
import type { BatchSlice } from "@stanzapack/wire";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import type { DiskStoreOptions } from "../store/disk/disk-store.js";
import type { Engine, Item, RangeOptions, Write } from "../store/disk/engine.js";
import { JournalMemory } from "../store/base/journal-memory.js";
import { DEFAULT_EXPIRY } from "../store/base/store-options.js";
import type { ReadableJournal } from "../store/journal.js";
import type { NewRows, StoredRecord } from "../store/store.js";

const SHARES = { maxLogBytes: 1e9, maxLogBytesPerJid: 1e9, remotePercent: 100, domainShare: 1 };

/** Options of a store on a disk, with bounds that no test reaches unless it asks for that. */
export function storeOptions(options: Partial<DiskStoreOptions> = {}): DiskStoreOptions {
  return {
    intervalMs: 20,
    retention: { maxRows: 1e9, maxBytes: 1e9, maxAgeMs: Infinity },
    expiry: DEFAULT_EXPIRY,
    storedShares: new JournalMemory(SHARES),
    memoryShares: new JournalMemory(SHARES),
    onDamage: () => undefined,
    onProblem: () => undefined,
    ...options,
  };
}

/** The record of a new service. */
export function newRecord(node: string, fields: Partial<StoredRecord> = {}): StoredRecord {
  return {
    node,
    config: { kind: "log" },
    epoch: 1_000,
    offset: 0,
    baseAt: 1_700_000_000_000,
    incarnations: [],
    approved: [],
    last: undefined,
    seenAt: wallNow(),
    durability: "sync",
    ...fields,
  };
}

/** Rows from offset `from` to `to` whose text is their offset. Row n arrives at n seconds. */
export function rowsOf(from: number, to = from): NewRows {
  const offsets = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  return {
    ...{ from, to, cameAt: to * 1_000 },
    rows: offsets.map((offset) => Buffer.from(String(offset))),
    ats: offsets.map((offset) => offset * 1_000),
  };
}

/** Longest time until a store has loaded some rows, in ms. */
const LOAD_MS = 60_000;

/** Reads from a journal, and waits while the store loads the rows. */
export async function readNow(
  journal: ReadableJournal,
  offset: number,
  maxRows: number,
  maxBytes: number,
): Promise<BatchSlice | undefined> {
  for (const until = monotonicNow() + LOAD_MS; ; await sleep(1)) {
    const slice = journal.read(offset, maxRows, maxBytes);
    if (slice !== "wait") return slice;
    if (monotonicNow() > until) throw new Error(`the rows from ${offset} on were not loaded`);
  }
}

/** Everything of a journal from `offset` on, as the texts of its rows. */
export async function textsOf(journal: ReadableJournal, offset = 1, maxRows = 100): Promise<string[]> {
  const texts: string[] = [];
  for (let next = offset; ;) {
    const slice = await readNow(journal, next, maxRows, 1e6);
    if (slice === undefined) return texts;
    for (const row of slice.rows) texts.push(Buffer.from(row).toString());
    next = slice.to + 1;
  }
}

/**
 * An engine whose writes reach the disk only by `flush`, as long as it is `held`. `cut` is a power cut: what was not
 * flushed is gone, and nobody hears of it.
 */
export class LosesUnflushed implements Engine {
  held = true;
  /** Number of commits that were begun. */
  commits = 0;
  private isCut = false;
  private waiting: (() => void) | undefined;
  private refusal: Error | undefined;

  constructor(private readonly engine: Engine) {}

  get bytes(): number {
    return this.engine.bytes;
  }
  get(key: Uint8Array): Item | undefined {
    return this.isCut ? undefined : this.engine.get(key);
  }
  range(from: Uint8Array, to: Uint8Array, options?: RangeOptions): Iterable<Item> {
    return this.isCut ? [] : this.engine.range(from, to, options);
  }

  commit(writes: readonly Write[]): Promise<void> {
    this.commits++;
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    if (this.isCut) return new Promise(() => undefined);
    if (!this.held) return this.engine.commit(writes);
    return new Promise((resolve, reject) => {
      this.waiting = () => void this.engine.commit(writes).then(resolve, reject);
    });
  }

  /** A commit waits to be flushed. */
  get hasCommit(): boolean {
    return this.waiting !== undefined;
  }

  /** Lets the commit that waits reach the disk. */
  flush(): void {
    const go = this.waiting;
    this.waiting = undefined;
    go?.();
  }

  /** Refuses commits with this error. Undefined: no longer. */
  refuse(error: Error | undefined): void {
    this.refusal = error;
  }

  /** The power fails. */
  cut(): Promise<void> {
    this.isCut = true;
    return this.engine.close();
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}

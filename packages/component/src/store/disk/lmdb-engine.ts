import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { open, type RootDatabase } from "lmdb";
import type { Engine, Item, RangeOptions, Write } from "./engine.js";
import { storeFailed } from "../base/failure.js";
import { seal, unseal } from "./seal.js";

/** If less space is free after a failed commit, in bytes, the error says that the disk is full. */
const FULL_BYTES = 1_048_576;
/**
 * Free space that a commit needs beside twice its bytes, in bytes. LMDB 3.5.6 must not meet a full disk: where a write
 * fails, it writes its message beyond the end of a buffer of 100 bytes, and may abort the process.
 */
const RESERVE_BYTES = 262_144;

/** Statistics of LMDB that its types do not declare. */
interface LmdbStats {
  readonly lastTxnId: number;
}

/** Error of a failed commit. The cause is the rejection of the promise `commitError`. */
interface CommitFailure {
  readonly commitError?: Promise<unknown>;
}

/**
 * Keeps keys and values in the file `path`. A commit resolves when LMDB has written and flushed the data, and then its
 * root page. With LMDB's option `overlappingSync` it would resolve earlier, so that option is off.
 */
export class LmdbEngine implements Engine {
  private readonly db: RootDatabase<Uint8Array, Uint8Array>;
  /** Number of the last commit. It begins with LMDB's own count, which is never behind. */
  private committed: number;

  constructor(private readonly path: string) {
    this.db = open<Uint8Array, Uint8Array>(path, {
      ...{ noSubdir: true, encoding: "binary", keyEncoding: "binary", maxDbs: 1 },
      // Each commit here is one batch. LMDB's own batches around it would reject promises that nobody can catch.
      ...{ overlappingSync: false, eventTurnBatching: false },
    });
    this.committed = (this.db.getStats() as LmdbStats).lastTxnId;
  }

  get bytes(): number {
    return statSync(this.path).size;
  }

  get(key: Uint8Array): Item | undefined {
    const bytes = this.db.getBinary(key);
    return bytes && { key, value: unseal(key, bytes)?.value };
  }

  *range(from: Uint8Array, to: Uint8Array, { limit, reverse = false }: RangeOptions = {}): Iterable<Item> {
    // LMDB's range in reverse begins at its `start`, and leaves its `end` out.
    const bounds = reverse
      ? { start: to, exclusiveStart: true, end: from, inclusiveEnd: true, reverse }
      : { start: from, end: to };
    for (const { key, value } of this.db.getRange({ ...bounds, ...(limit !== undefined && { limit }) }))
      yield { key, value: unseal(key, value)?.value };
  }

  async commit(writes: readonly Write[]): Promise<void> {
    this.assertSpace(writes);
    const commit = this.committed + 1;
    try {
      await this.db.batch(() => {
        for (const { key, value } of writes)
          if (value === undefined) void this.db.remove(key);
          else void this.db.put(key, seal(key, value, commit));
      });
    } catch (error) {
      throw await this.describe(error);
    }
    this.committed = commit;
  }

  /** Throws `store-failed` if the disk has no room for the writes. */
  private assertSpace(writes: readonly Write[]): void {
    const bytes = writes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
    const free = this.freeBytes();
    if (free < 2 * bytes + RESERVE_BYTES) throw this.full(free);
  }

  private freeBytes(): number {
    try {
      const { bavail, bsize } = statfsSync(dirname(this.path));
      return bavail * bsize;
    } catch {
      return Infinity;
    }
  }

  private full(free: number, cause?: unknown): Error {
    return storeFailed(
      `the store ${this.path} cannot be written: the disk is full, with ${free} bytes left`,
      "Make room on the disk. The component then continues by itself.",
      cause,
    );
  }

  private async describe(error: unknown): Promise<Error> {
    const cause = await (error as CommitFailure).commitError?.catch((reason: unknown) => reason);
    const text = `the store ${this.path} cannot be written`;
    // If the disk takes only a part of a write, LMDB reports "Input/output error".
    const free = this.freeBytes();
    if (free < FULL_BYTES) return this.full(free, cause);
    const { message } = (cause ?? error) as Error;
    return storeFailed(`${text}: ${message}`, "Repair the disk, then restart the component.", cause ?? error);
  }

  async close(): Promise<void> {
    await this.db.close();
  }
}

import { decodeRow, hashEntry, RangeDigest, WHOLE_RANGE, type EntryHash } from "@stanzapack/wire";

/** An entry that may have a hash. */
export interface HashedEntry {
  readonly key: string;
  /** As msgpack. Undefined: the key was removed, so the entry has no hash. */
  readonly value: Uint8Array | undefined;
  hash: EntryHash | undefined;
}

/**
 * Hashes of a map's entries, and the checksum of all of them. A change costs no hash: its entry waits, so a key that
 * changes often is hashed once for each checksum. Before `start`, nothing waits and nothing is hashed.
 */
export class MapHashes {
  /** Entries without a hash. Undefined: nobody has asked for hashes yet. */
  private waiting: Set<HashedEntry> | undefined;
  /** Of the entries that have a hash. */
  private digest = new RangeDigest(WHOLE_RANGE);

  /** Hashes are needed from now on. Idempotent. */
  start(entries: Iterable<HashedEntry>): void {
    if (this.waiting !== undefined) return;
    this.waiting = new Set();
    for (const entry of entries) this.added(entry);
  }

  added(entry: HashedEntry): void {
    if (entry.value !== undefined) this.waiting?.add(entry);
  }

  dropped(entry: HashedEntry): void {
    this.waiting?.delete(entry);
    this.toggle(entry);
    entry.hash = undefined;
  }

  cleared(): void {
    this.waiting?.clear();
    this.digest = new RangeDigest(WHOLE_RANGE);
  }

  /** Hashes at most `most` entries that wait. Returns whether all have a hash now. */
  work(most: number): boolean {
    const { waiting } = this;
    if (waiting === undefined) return false;
    let left = most;
    for (const entry of waiting) {
      if (left-- <= 0) return false;
      entry.hash = hashEntry(entry.key, decodeRow(entry.value as Uint8Array));
      this.toggle(entry);
      waiting.delete(entry);
    }
    return true;
  }

  /** The checksum of all entries. All must have a hash. */
  get whole(): RangeDigest {
    return this.digest;
  }

  private toggle({ hash }: HashedEntry): void {
    if (hash !== undefined) this.digest.toggle(hash.place, hash.high, hash.low);
  }
}

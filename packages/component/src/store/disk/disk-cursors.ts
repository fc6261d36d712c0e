import type { Batch, Committer, Writer } from "./committer.js";
import type { Engine, Write } from "./engine.js";
import { cursorKey, cursorOf, cursorsOfNode, cursorsOfOwner, ownerKey, tableRange } from "./keys.js";
import { decodeRecord, encodeRecord } from "../base/records.js";
import type { CursorKey, StoredCursor, StoredCursors } from "../store.js";

/** Cursors that one call of `expire` looks at. */
const LOOKED_AT = 1_000;

interface Waiting {
  readonly writes: readonly Write[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The cursors on the disk. They are read from there, and each has a second key that lists it for its owner. */
export class DiskCursors implements StoredCursors, Writer {
  private waiting: Waiting[] = [];
  /** Where `expire` goes on. */
  private next: Uint8Array | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly committer: Committer,
    private readonly onDamaged: (text: string) => void,
  ) {}

  put(cursor: StoredCursor): Promise<void> {
    return this.write([
      { key: cursorKey(cursor), value: encodeRecord(cursor) },
      { key: ownerKey(cursor), value: new Uint8Array() },
    ]);
  }

  get(key: CursorKey): StoredCursor | undefined {
    return this.read(cursorKey(key));
  }

  *all(): Iterable<StoredCursor> {
    const { from, to } = tableRange("cursor");
    for (const { value } of this.engine.range(from, to)) yield* this.decode(value);
  }

  ofNode(node: string): StoredCursor[] {
    const { from, to } = cursorsOfNode(node);
    return [...this.engine.range(from, to)].flatMap(({ value }) => this.decode(value));
  }

  ofOwner(owner: string): StoredCursor[] {
    const { from, to } = cursorsOfOwner(owner);
    return [...this.engine.range(from, to)].flatMap(({ key }) => this.read(cursorOf(key)) ?? []);
  }

  delete(key: CursorKey): Promise<void> {
    return this.write([cursorKey(key), ownerKey(key)].map((each) => ({ key: each, value: undefined })));
  }

  /** Deletes some cursors that were written before `before`, in ms since 1970. */
  expire(before: number): void {
    const { from, to } = tableRange("cursor");
    const items = [...this.engine.range(this.next ?? from, to, { limit: LOOKED_AT })];
    const last = items.at(-1)?.key;
    this.next =
      last !== undefined && items.length === LOOKED_AT ? Buffer.concat([last, Uint8Array.of(0)]) : undefined;
    for (const { value } of items)
      for (const cursor of this.decode(value))
        // The next round deletes the cursor if the disk does not take that now.
        if (cursor.at < before) this.delete(cursor).catch(() => undefined);
  }

  private read(key: Uint8Array): StoredCursor | undefined {
    const item = this.engine.get(key);
    return item && this.decode(item.value)[0];
  }

  private decode(value: Uint8Array | undefined): StoredCursor[] {
    if (value !== undefined) return [decodeRecord<StoredCursor>(value)];
    this.onDamaged("a cursor is damaged");
    return [];
  }

  private write(writes: readonly Write[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ writes, resolve, reject });
      this.committer.soon(this);
    });
  }

  prepare(): Batch | undefined {
    const taken = this.waiting.splice(0);
    if (taken.length === 0) return undefined;
    return {
      writes: taken.flatMap(({ writes }) => writes),
      done: () => taken.forEach(({ resolve }) => resolve()),
      failed: (error) => taken.forEach(({ reject }) => reject(error)),
    };
  }
}

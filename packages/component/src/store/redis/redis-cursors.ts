import { decodeRecord, encodeRecord } from "../base/records.js";
import type { CursorKey, StoredCursor, StoredCursors } from "../store.js";
import type { Keys } from "./keys.js";
import { removeStale } from "./listed.js";
import type { RedisLink, Reply, Send } from "./redis-link.js";
import { RedisAway } from "./trouble.js";
import type { Writer, Writes } from "./writes.js";

/** Cursors that one step writes, and nodes whose cursors one step reads. */
const STEP = 500;

/** The newest write of one cursor, and those who wait for it. */
interface Waiting {
  readonly key: CursorKey;
  /** Undefined: the cursor is deleted. */
  cursor: StoredCursor | undefined;
  settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[];
}

export interface CursorParts {
  readonly keys: Keys;
  readonly writes: Writes;
  /** Reads again until Redis answers, for a bounded time. Rejects with `store-failed`. */
  readonly read: <T>(ask: (send: Send) => Promise<T>) => Promise<T>;
  /** Wall time, in ms since 1970. */
  readonly now: () => number;
  readonly onDamaged: (text: string) => void;
}

/**
 * The cursors in Redis: a hash for each node, and two indexes, of the nodes that have cursors, and of the cursors of an
 * owner. An index is written before the cursor, and cleared after it. So a crash in between leaves an entry that names
 * nothing, which readers remove.
 */
export class RedisCursors implements StoredCursors, Writer {
  readonly frees = false;
  private waiting = new Map<string, Waiting>();
  private isSending = false;
  /** Where `expire` goes on. */
  private next = "0";
  private isExpiring = false;

  constructor(private readonly parts: CursorParts) {}

  put(cursor: StoredCursor): Promise<void> {
    return this.write(cursor, cursor);
  }

  delete({ node, owner, cursor }: CursorKey): Promise<void> {
    return this.write({ node, owner, cursor }, undefined);
  }

  private write(key: CursorKey, cursor: StoredCursor | undefined): Promise<void> {
    const name = JSON.stringify([key.node, fieldOf(key)]);
    return new Promise((resolve, reject) => {
      const { settle = [] } = this.waiting.get(name) ?? {};
      settle.push({ resolve, reject });
      this.waiting.set(name, { key, cursor, settle });
      this.book();
    });
  }

  private book(): void {
    if (!this.isSending) this.parts.writes.soon(this);
  }

  async send(link: RedisLink): Promise<void> {
    const taken = [...this.waiting].slice(0, STEP);
    for (const [name] of taken) this.waiting.delete(name);
    this.isSending = true;
    try {
      await this.sendSome(
        link,
        taken.map(([, each]) => each),
      );
      for (const [, { settle }] of taken) for (const { resolve } of settle) resolve();
    } catch (error) {
      if (error instanceof RedisAway) {
        this.putBack(taken);
        throw error;
      }
      for (const [, { settle }] of taken) for (const { reject } of settle) reject(error);
    } finally {
      this.isSending = false;
    }
    if (this.waiting.size > 0) this.book();
  }

  private async sendSome(link: RedisLink, taken: readonly Waiting[]): Promise<void> {
    const { keys, now } = this.parts;
    const at = String(now());
    const put = taken.filter(({ cursor }) => cursor !== undefined);
    await Promise.all(
      put.flatMap(({ key }) => [
        link.send(["ZADD", keys.cursorNodes, at, key.node]),
        link.send(["ZADD", keys.cursorsOfOwner(key.owner), at, memberOf(key)]),
      ]),
    );
    await Promise.all(
      taken.map(({ key, cursor }) =>
        link.send(
          cursor === undefined
            ? ["HDEL", keys.cursors(key.node), fieldOf(key)]
            : ["HSET", keys.cursors(key.node), fieldOf(key), Buffer.from(encodeRecord(cursor))],
        ),
      ),
    );
    for (const { key, cursor } of taken)
      // If this fails, the entry names nothing.
      if (cursor === undefined)
        link.send(["ZREM", keys.cursorsOfOwner(key.owner), memberOf(key)]).catch(() => undefined);
  }

  /** These writes are sent again, but for those that a later write of the same cursor replaces. */
  private putBack(taken: readonly (readonly [string, Waiting])[]): void {
    const later = this.waiting;
    this.waiting = new Map(taken);
    for (const [name, { key, cursor, settle }] of later) {
      const before = this.waiting.get(name)?.settle ?? [];
      this.waiting.set(name, { key, cursor, settle: [...before, ...settle] });
    }
  }

  get(key: CursorKey): Promise<StoredCursor | undefined> {
    return this.parts.read(async (send) => {
      const found = await send(["HGET", this.parts.keys.cursors(key.node), fieldOf(key)]);
      return this.decode([found])[0];
    });
  }

  all(): Promise<StoredCursor[]> {
    return this.parts.read(async (send) => {
      const { cursorNodes } = this.parts.keys;
      const cursors: StoredCursor[] = [];
      const listed = (await send(["ZRANGE", cursorNodes, "0", "-1", "WITHSCORES"])) as readonly Reply[];
      const nodes = listed.filter((_, i) => i % 2 === 0).map(String);
      for (let i = 0; i < nodes.length; i += STEP)
        for (const some of await this.readNodes(send, nodes.slice(i, i + STEP)))
          for (const cursor of some) cursors.push(cursor);
      return cursors;
    });
  }

  /** Reads the cursors of some nodes, and removes the nodes without any from the index. */
  private async readNodes(send: Send, nodes: readonly string[]): Promise<StoredCursor[][]> {
    const { keys, now } = this.parts;
    const found = await Promise.all(nodes.map((node) => send(["HVALS", keys.cursors(node)])));
    const cursors = found.map((list) => this.decode(list as readonly Reply[]));
    const empty = nodes.filter((_, i) => (found[i] as readonly Reply[]).length === 0);
    await removeStale(send, keys.cursorNodes, empty, now());
    return cursors;
  }

  ofNode(node: string): Promise<StoredCursor[]> {
    return this.parts.read(async (send) => {
      const found = await send(["HVALS", this.parts.keys.cursors(node)]);
      return this.decode(found as readonly Reply[]);
    });
  }

  ofOwner(owner: string): Promise<StoredCursor[]> {
    return this.parts.read(async (send) => {
      const { keys, now } = this.parts;
      const index = keys.cursorsOfOwner(owner);
      const members = ((await send(["ZRANGE", index, "0", "-1"])) as readonly Reply[]).map(String);
      const found = await Promise.all(
        members.map((member) => {
          const [node, cursor] = JSON.parse(member) as [string, string];
          return send(["HGET", keys.cursors(node), fieldOf({ node, owner, cursor })]);
        }),
      );
      const stale = members.filter((_, i) => found[i] === null);
      await removeStale(send, index, stale, now());
      return this.decode(found);
    });
  }

  /** Deletes some cursors that were written before `before`, in ms since 1970. */
  expire(before: number): void {
    if (this.isExpiring) return;
    this.isExpiring = true;
    const { read, keys } = this.parts;
    read(async (send) => {
      const args = ["ZSCAN", keys.cursorNodes, this.next, "COUNT", String(STEP)];
      const [next, list] = (await send(args)) as readonly Reply[];
      const nodes = (list as readonly Reply[]).filter((_, i) => i % 2 === 0).map(String);
      for (const cursors of await this.readNodes(send, nodes))
        for (const cursor of cursors) if (cursor.at < before) void this.delete(cursor).catch(() => undefined);
      this.next = String(next);
    })
      // The next sweep tries again.
      .catch(() => undefined)
      .finally(() => (this.isExpiring = false));
  }

  private decode(found: readonly Reply[]): StoredCursor[] {
    return found.flatMap((bytes) => {
      if (bytes === null) return [];
      try {
        return [decodeRecord<StoredCursor>(bytes as Buffer)];
      } catch {
        this.parts.onDamaged("a cursor is damaged");
        return [];
      }
    });
  }
}

/** The field of a cursor in the hash of its node. */
function fieldOf({ owner, cursor }: CursorKey): string {
  return JSON.stringify([owner, cursor]);
}

/** The entry of a cursor in the index of its owner. */
function memberOf({ node, cursor }: CursorKey): string {
  return JSON.stringify([node, cursor]);
}

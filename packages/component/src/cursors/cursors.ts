import { StanzapackError } from "@stanzapack/wire";
import { wallNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { whenKnown, type Later } from "../base/later.js";
import { Tally } from "../base/tally.js";
import type { Service } from "../catalog/service.js";
import type { ComponentLimits } from "../config/config.js";
import type { StoredCursors } from "../store/store.js";
import type { Subscription } from "../subscriptions/subscription.js";

/** Cursors that one call of `sweep` looks at. */
const SWEPT = 1_000;
/** A cursor in use is written at least this often, in ms, so that it does not expire. */
const REFRESH_MS = 3_600_000;

/** The place of one consumer in one log or map, under a name of its own. */
export class Cursor {
  /** The subscription that reads on from here. */
  holder: Subscription | undefined;
  /** A write waits for the disk. */
  isWriting = false;
  isDeleted = false;

  constructor(
    readonly node: string,
    /** Bare JID of the consumer. */
    readonly owner: string,
    readonly name: string,
    public epoch: number,
    /** The last offset that the consumer has taken. */
    public offset: number,
    /** When the cursor was written, in ms since 1970. */
    public at: number,
  ) {}
}

type Position = Pick<Cursor, "epoch" | "offset">;

/**
 * All cursors, in memory and in the component's store if it has one. A cursor that moves is written once a second at
 * most, and when its subscription ends.
 */
export class Cursors {
  private store: StoredCursors | undefined;
  private readonly all = new Set<Cursor>();
  /** By node, then by owner and name. */
  private readonly byNode = new Map<string, Map<string, Cursor>>();
  private readonly byOwner = new Map<string, Set<Cursor>>();
  /** Number of cursors of each domain that is not ours. */
  private readonly ofDomain = new Tally();
  /** Cursors that moved since they were written. */
  private readonly moved = new Set<Cursor>();
  /** The cursors that `sweep` has still to look at in this round. */
  private sweeping: Iterator<Cursor, undefined> | undefined;
  private hasFailed = false;

  constructor(
    private readonly limits: ComponentLimits,
    private readonly log: Logger,
    private readonly isOurs: (domain: string) => boolean = () => true,
    /** Wall time, in ms since 1970. */
    private readonly now: () => number = wallNow,
  ) {}

  /** Brings back the cursors of a store, and keeps all cursors there from now on. Rejects with `store-failed`. */
  use(store: StoredCursors): Later<void> {
    return whenKnown(store.all(), (all) => {
      this.store = store;
      for (const { node, owner, cursor, epoch, offset, at } of all)
        this.add(new Cursor(node, owner, cursor, epoch, offset, at));
    });
  }

  get size(): number {
    return this.all.size;
  }

  /**
   * Reads a cursor from the store, because another process may have moved it. A cursor that a subscription holds here
   * stays as it is. Rejects with `store-failed`.
   */
  async refresh(node: string, owner: string, name: string): Promise<void> {
    const found = await this.store?.get({ node, owner, cursor: name });
    const known = this.find(node, owner, name);
    if (known?.holder !== undefined || known?.isWriting === true) return;
    if (found === undefined) {
      if (known !== undefined) this.forget(known);
    } else if (known === undefined)
      this.add(new Cursor(node, owner, name, found.epoch, found.offset, found.at));
    else Object.assign(known, { epoch: found.epoch, offset: found.offset, at: found.at });
  }

  find(node: string, owner: string, name: string): Cursor | undefined {
    return this.byNode.get(node)?.get(keyOf(owner, name));
  }

  /** The cursors of a node. */
  *of(node: string): Iterable<Cursor> {
    yield* this.byNode.get(node)?.values() ?? [];
  }

  /** The cursors of a bare JID. */
  ofOwner(owner: string): Iterable<Cursor> {
    return this.byOwner.get(owner) ?? [];
  }

  /** Throws `limit-exceeded` if the owner cannot have one more cursor, or the node. */
  assertRoom(node: string, owner: string): void {
    const { maxCursors, maxCursorsPerJid, maxCursorsPerService, remotePercent, domainShare } = this.limits;
    const domain = domainOf(owner);
    const isRemote = !this.isOurs(domain);
    const own = isRemote
      ? Math.max(1, Math.floor((maxCursorsPerJid * remotePercent) / 100))
      : maxCursorsPerJid;
    const counts: readonly (readonly [who: string, count: number, most: number])[] = [
      [owner, this.byOwner.get(owner)?.size ?? 0, own],
      [`\`${node}\``, this.byNode.get(node)?.size ?? 0, maxCursorsPerService],
      [domain, this.ofDomain.get(domain), isRemote ? own * domainShare : Infinity],
      ["the component", this.all.size, maxCursors],
    ];
    for (const [who, count, most] of counts)
      if (count >= most)
        throw new StanzapackError("limit-exceeded", `${who} has ${count} cursors, no more are allowed`, {
          scope: "subscription",
          mend: "Delete cursors that nobody needs (`stanzapack cursors --delete NODE NAME`). Cursors that nobody uses expire.",
        });
  }

  /**
   * The subscription reads on behind `begun`, under this name. Creates the cursor if it is new. The cursor has no other
   * holder.
   */
  hold(subscription: Subscription, name: string, { epoch, offset }: Position): Cursor {
    const { node } = subscription.service;
    const { bareJid } = subscription.outlet;
    const known = this.find(node, bareJid, name);
    const cursor = known ?? new Cursor(node, bareJid, name, epoch, offset, this.now());
    if (known === undefined) this.add(cursor);
    cursor.holder = subscription;
    if (known === undefined || known.epoch !== epoch || known.offset !== offset) {
      Object.assign(cursor, { epoch, offset });
      this.write(cursor);
    }
    return cursor;
  }

  /** The holder has taken everything up to this offset. */
  move(cursor: Cursor, offset: number): void {
    if (cursor.isDeleted || offset <= cursor.offset) return;
    cursor.offset = offset;
    this.moved.add(cursor);
  }

  /** The holder has ended. */
  release(cursor: Cursor): void {
    cursor.holder = undefined;
    if (this.moved.has(cursor) && !cursor.isWriting) this.write(cursor);
  }

  /** Deletes a cursor. Resolves when that is on the disk. Throws `conflict` while a subscription holds the cursor. */
  delete(cursor: Cursor): Later<void> {
    if (cursor.holder !== undefined)
      throw new StanzapackError(
        "conflict",
        `your session ${cursor.holder.outlet.jid} uses the cursor \`${cursor.name}\` of \`${cursor.node}\``,
      );
    return this.remove(cursor);
  }

  /** Deletes a cursor, also while a subscription holds it. May be called again if the store did not take that. */
  erase(cursor: Cursor): Later<void> {
    const { node, owner, name } = cursor;
    return cursor.isDeleted ? this.store?.delete({ node, owner, cursor: name }) : this.remove(cursor);
  }

  /** The service was withdrawn, so its cursors point nowhere. Their holders receive the rest without a cursor. */
  serviceEnded({ node }: Service): void {
    for (const cursor of this.byNode.get(node)?.values() ?? []) this.drop(cursor);
  }

  /** The access to a service changed: deletes the cursors of those who may not subscribe any more. */
  reconsider({ node, record }: Service): void {
    for (const cursor of this.byNode.get(node)?.values() ?? [])
      if (!record.mayTake(cursor.owner)) this.drop(cursor);
  }

  /** Once a second: writes what moved, and deletes what nobody has used for `cursorSeconds`. */
  sweep(): void {
    for (const cursor of this.moved) if (!cursor.isWriting) this.write(cursor);
    const now = this.now();
    const expiryMs = this.limits.cursorSeconds * 1_000;
    for (let i = 0; i < SWEPT; i++) {
      this.sweeping ??= this.all.values();
      const next = this.sweeping.next();
      if (next.done === true) {
        this.sweeping = undefined;
        return;
      }
      const cursor = next.value;
      const age = now - cursor.at;
      if (cursor.holder === undefined && age > expiryMs) this.drop(cursor);
      else if (cursor.holder !== undefined && age > Math.min(REFRESH_MS, expiryMs / 4))
        this.moved.add(cursor);
    }
  }

  /** The store may have lost cursors: the next `sweep` writes all. */
  rewrite(): void {
    for (const cursor of this.all) this.moved.add(cursor);
  }

  /** Writes what moved. The store is about to close, and waits for it. */
  flush(): void {
    for (const cursor of this.moved) this.write(cursor);
  }

  private add(cursor: Cursor): void {
    const { node, owner, name } = cursor;
    this.all.add(cursor);
    this.byNode.set(
      node,
      (this.byNode.get(node) ?? new Map<string, Cursor>()).set(keyOf(owner, name), cursor),
    );
    this.byOwner.set(owner, (this.byOwner.get(owner) ?? new Set()).add(cursor));
    this.count(cursor, 1);
  }

  private count({ owner }: Cursor, by: number): void {
    const domain = domainOf(owner);
    if (!this.isOurs(domain)) this.ofDomain.add(domain, by);
  }

  /** Deletes a cursor. If the store does not take that, the cursor is there again after a restart, until it expires. */
  private drop(cursor: Cursor): void {
    const removed = this.remove(cursor);
    if (removed instanceof Promise) removed.catch((error: unknown) => this.tellFailure(error));
  }

  private remove(cursor: Cursor): Later<void> {
    const { node, owner, name } = cursor;
    this.forget(cursor);
    return this.store?.delete({ node, owner, cursor: name });
  }

  private forget(cursor: Cursor): void {
    const { node, owner, name, holder } = cursor;
    if (holder !== undefined) holder.cursor = undefined;
    cursor.isDeleted = true;
    this.all.delete(cursor);
    this.moved.delete(cursor);
    this.count(cursor, -1);
    const ofNode = this.byNode.get(node);
    ofNode?.delete(keyOf(owner, name));
    if (ofNode?.size === 0) this.byNode.delete(node);
    const ofOwner = this.byOwner.get(owner);
    ofOwner?.delete(cursor);
    if (ofOwner?.size === 0) this.byOwner.delete(owner);
  }

  private write(cursor: Cursor): void {
    const { node, owner, name, epoch, offset } = cursor;
    this.moved.delete(cursor);
    cursor.at = this.now();
    const put = this.store?.put({ node, owner, cursor: name, epoch, offset, at: cursor.at });
    if (!(put instanceof Promise)) return;
    cursor.isWriting = true;
    put.then(
      () => {
        cursor.isWriting = false;
        this.hasFailed = false;
      },
      (error: unknown) => {
        cursor.isWriting = false;
        // The next sweep tries again.
        if (!cursor.isDeleted) this.moved.add(cursor);
        this.tellFailure(error);
      },
    );
  }

  /** One report for each time of trouble. */
  private tellFailure(error: unknown): void {
    if (!this.hasFailed) this.log.error({ err: error }, "the store does not take cursors");
    this.hasFailed = true;
  }
}

function domainOf(bareJid: string): string {
  return bareJid.slice(bareJid.indexOf("@") + 1);
}

function keyOf(owner: string, name: string): string {
  return `${owner} ${name}`;
}

import { randomUUID } from "node:crypto";
import { wallNow } from "@stanzapack/xmpp";
import type { Later } from "../../base/later.js";
import type { Durability } from "../../options/service-config.js";
import { storeFailed } from "../base/failure.js";
import { ownerOf } from "../base/records.js";
import { tighter, type Retention } from "../base/retention.js";
import { MAX_UNWRITTEN_BYTES, type StoreOptions } from "../base/store-options.js";
import { MemoryStore } from "../memory/memory-store.js";
import type { FollowedService, NodeStore } from "../../nodes/node-store.js";
import type { OpenOptions, Store, StoredRecord, StoredService, StoreUsage } from "../store.js";
import { ChunkCache } from "./chunks.js";
import { Connections } from "./connections.js";
import { decodeFields, decodeJournal, encodeFields, type FoundRecord } from "./fields.js";
import { Keys } from "./keys.js";
import { removeStale } from "./listed.js";
import { RedisCursors } from "./redis-cursors.js";
import { RedisJournal, type Found } from "./redis-journal.js";
import type { RedisServer, Reply, Send } from "./redis-link.js";
import { readMap } from "./redis-map.js";
import { RedisReader } from "./redis-reader.js";
import { RedisService } from "./redis-service.js";
import { followService } from "./followed-service.js";
import { RedisNodes } from "./redis-nodes.js";
import { CREATE, OPEN } from "./scripts.js";
import { writeVersion } from "./server-check.js";
import { RedisAway } from "./trouble.js";

/** Most bytes of rows that were read from Redis for subscribers. 32 MiB: some 100 readers at a time. */
const MAX_CHUNK_BYTES = 33_554_432;
/** Records that one step of the start reads. */
const STEP = 500;
/** Services that one call of `sweep` looks at, and rows of one service that it drops for their age. */
const SWEPT = 1_000;
const AGED_ROWS = 10_000;

export interface RedisStoreOptions extends StoreOptions {
  readonly server: RedisServer;
  /** Begins all keys. */
  readonly prefix: string;
  /** Replicas that must have an update with durability `sync`. 0: none. */
  readonly replicas: number;
  /** Called with a warning for the operator. */
  readonly onWarning: (text: string) => void;
}

/** A service in Redis, open or not. */
interface Known {
  record: StoredRecord;
  /** The service since it was opened last. */
  service: RedisService | undefined;
}

/**
 * Opens the store in Redis. Rejects with `store-failed` if Redis cannot be reached for some seconds, does not keep what
 * the store promises, or has a store of another version.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const store = new RedisStore(options);
  try {
    await store.begin();
  } catch (error) {
    await store.abandon();
    throw error;
  }
  return store;
}

/** A store in Redis. It keeps services with durability `none` in memory. */
class RedisStore implements Store {
  readonly cursors: RedisCursors;
  onRestarted: (() => void) | undefined;
  private readonly keys: Keys;
  private readonly connections: Connections;
  private readonly chunks = new ChunkCache(MAX_CHUNK_BYTES);
  /** Services with durability `none`. */
  private readonly memory: MemoryStore;
  private readonly byNode = new Map<string, Known>();
  /** Services that are being created or deleted: they end before the next life of the node begins. */
  private readonly changing = new Map<string, Promise<unknown>>();
  private unwritten = 0;
  /** Tells records of this process from those of others. */
  private readonly nonce = randomUUID();
  private sweeping: Iterator<[string, Known], undefined> | undefined;
  private nodes: RedisNodes | undefined;
  private closing: Promise<void> | undefined;
  constructor(private readonly options: RedisStoreOptions) {
    const { memoryShares: shares, retention, expiry } = options;
    this.keys = new Keys(options.prefix);
    this.memory = new MemoryStore({ shares, retention, expiry, now: wallNow });
    const { keys } = this;
    const onRestarted = (): void => this.restarted();
    this.connections = new Connections({ ...options, keys, onRestarted });
    this.cursors = new RedisCursors({
      ...{ keys, writes: this.connections.writes, now: wallNow },
      read: (ask) => this.connections.ask(ask),
      onDamaged: (text) => options.onDamage({ node: undefined, text }),
    });
  }

  /** Connects, and reads the records of all services. */
  async begin(): Promise<void> {
    this.connections.start();
    await this.connections.ask(async (send) => {
      const listed = (await send(["ZRANGE", this.keys.services, "0", "-1"])) as readonly Reply[];
      const nodes = listed.map(String);
      for (let i = 0; i < nodes.length; i += STEP) await this.load(send, nodes.slice(i, i + STEP));
    });
  }

  readonly share = (): NodeStore => {
    const { keys, connections } = this;
    const { link } = connections;
    return (this.nodes ??= new RedisNodes({
      ...{ server: this.options.server, keys, send: link.send, isUp: () => link.up },
      onDamaged: (text) => this.options.onDamage({ node: undefined, text }),
      follow: (node) => this.follow(node),
      refresh: (node) => this.refresh(node),
    }));
  };

  private follow(node: string): Promise<FollowedService | undefined> {
    const { keys, connections } = this;
    return followService(node, {
      ...{ keys: keys.service(node), connections, memoryShares: this.options.memoryShares },
      readerOf: (journal, epoch) => this.readerOf(journal, epoch),
    });
  }

  private async refresh(node: string): Promise<StoredRecord | undefined> {
    const known = this.byNode.get(node);
    if (known?.service !== undefined) {
      if (known.service.isOpen) known.service.close();
      known.service.forget();
    }
    this.byNode.delete(node);
    const fields = await this.connections.ask((send) => send(["HGETALL", this.keys.service(node).record]));
    const found = this.decode(node, fields);
    if (found === undefined) return undefined;
    this.byNode.set(node, { record: found.record, service: undefined });
    return found.record;
  }

  /** Redis was restarted, or another one is the primary: it may have less than before. */
  private restarted(): void {
    for (const { service } of this.byNode.values()) service?.verify();
    this.onRestarted?.();
  }

  /** The store cannot be opened. */
  abandon(): Promise<void> {
    return this.connections.end();
  }

  private async load(send: Send, nodes: readonly string[]): Promise<void> {
    const found = await Promise.all(nodes.map((node) => send(["HGETALL", this.keys.service(node).record])));
    const stale: string[] = [];
    for (const [i, node] of nodes.entries()) {
      const decoded = this.decode(node, found[i] as Reply);
      if (decoded !== undefined) this.byNode.set(node, { record: decoded.record, service: undefined });
      else if ((found[i] as readonly Reply[]).length === 0) stale.push(node);
    }
    await removeStale(send, this.keys.services, stale, wallNow());
  }

  private decode(node: string, fields: Reply): FoundRecord | undefined {
    try {
      return decodeFields(fields);
    } catch (error) {
      const text = `the record of service ${node} is damaged: ${(error as Error).message}`;
      this.options.onDamage({ node, text });
      return undefined;
    }
  }

  private serviceOf(
    { record, token }: Pick<FoundRecord, "record" | "token">,
    journal: Found,
    { retention: own }: OpenOptions,
  ): RedisService {
    const { node, epoch } = record;
    const { retention: all, storedShares, memoryShares, expiry, onDamage, onCommit } = this.options;
    const bounds: Retention = own === undefined ? all : tighter(own, all);
    const keys = this.keys.service(node);
    const { connections } = this;
    const { link } = connections;
    const service: RedisService = new RedisService(
      {
        ...{ keys, epochMs: expiry.epochMs, onDamage, onCommit },
        writesOf: (durability) => connections.writesOf(durability),
        readEntries: () => connections.ask((send) => readMap(send, keys.map)),
        hold: (bytes) => this.hold(bytes),
        release: (bytes) => (this.unwritten -= bytes),
        list: async () => {
          await writeVersion(link.send, this.keys);
          await this.list(link.send, node);
        },
        onDeleted: () => this.forget(node, service),
      },
      ...([record, token] as const),
      new RedisJournal(
        {
          ...{ owner: ownerOf(node), epoch, storedShares, memoryShares, retention: () => bounds },
          reader: this.readerOf(keys.journal, epoch),
          onDropped: () => service.dropped(),
        },
        journal,
      ),
    );
    return service;
  }

  private readerOf(journal: string, epoch: number): RedisReader {
    const { chunks, connections } = this;
    const { link } = connections;
    return new RedisReader({
      ...{ chunks, epoch, journal, isUp: () => link.up },
      run: (script, names, args) => link.run(script, names, args),
      onProblem: (error) => (error instanceof RedisAway ? undefined : this.options.onProblem(error)),
    });
  }

  private hold(bytes: number): void {
    if (this.unwritten + bytes > MAX_UNWRITTEN_BYTES)
      throw storeFailed(
        `${this.unwritten} bytes wait for Redis: ${this.connections.problem ?? "it is too slow"}`,
        "Repair Redis, or give it more memory. The component then continues by itself.",
      );
    this.unwritten += bytes;
  }

  /** A service was deleted. Removes it from the index: if that fails, the entry names nothing. */
  private forget(node: string, service: RedisService): void {
    if (this.byNode.get(node)?.service !== service) return;
    this.byNode.delete(node);
    this.connections.link.send(["ZREM", this.keys.services, node]).catch(() => undefined);
  }

  *services(): Iterable<StoredRecord> {
    for (const { record, service } of this.byNode.values()) yield service?.record ?? record;
    yield* this.memory.services();
  }

  open(node: string, options: OpenOptions = {}): Later<StoredService | undefined> {
    const known = this.byNode.get(node);
    if (known === undefined) return this.memory.open(node, options);
    if (known.service?.isOpen === true || this.changing.has(node))
      throw storeFailed(`\`${node}\` is open already`, "Close it first. Report this fault.");
    return this.while(node, this.reopen(node, known, options));
  }

  private async reopen(node: string, known: Known, options: OpenOptions): Promise<StoredService | undefined> {
    const { service: before } = known;
    // What it wrote last is in Redis before the new owner reads.
    await this.idle(before);
    const { record, journal } = this.keys.service(node);
    const reply = await this.connections.ask(
      async (send) => (await send(["EVALSHA", OPEN.sha, "2", record, journal])) as readonly Reply[],
    );
    before?.forget();
    const [fields = [], oldest = [], newest = []] = reply;
    const found = decodeFields(fields);
    if (found === undefined) {
      this.byNode.delete(node);
      return undefined;
    }
    return (known.service = this.serviceOf(found, decodeJournal(found, oldest, newest), options));
  }

  create(record: StoredRecord, options: OpenOptions = {}): Later<StoredService> {
    const { node, durability } = record;
    const known = this.byNode.get(node);
    const isEnding = known?.service?.isDeleting === true;
    if ((known !== undefined && !isEnding) || this.changing.has(node) || this.memory.has(node))
      throw storeFailed(`\`${node}\` is stored already`, "Open it, or delete it first.");
    return this.while(node, this.createAfter(known?.service, record, durability, options));
  }

  private async createAfter(
    before: RedisService | undefined,
    record: StoredRecord,
    durability: Durability,
    options: OpenOptions,
  ): Promise<StoredService> {
    // The life of before is being deleted.
    await this.idle(before);
    const { node } = record;
    const past = await this.connections.ask((send) => send(["GET", this.keys.service(node).epoch]));
    if (durability === "none") {
      const known = [past === null ? 0 : Number(String(past)) + 1, this.memory.nextEpoch(node) ?? 0];
      const epoch = Math.max(...known);
      return this.memory.create({ ...record, epoch: epoch === 0 ? record.epoch : epoch }, options);
    }
    const { epoch: asked, offset, incarnations, map, last, ...head } = record;
    const first = offset + 1;
    const keys = this.keys.service(node);
    const fields = encodeFields({ head, offset, incarnations, map, last, first, droppedAt: -1 });
    const least = this.memory.nextEpoch(node);
    const args = [String(asked), least === undefined ? "" : String(least), this.nonce, ...fields];
    const names = [keys.record, keys.journal, keys.map, keys.epoch];
    const [outcome, epoch] = await this.connections.ask(async (send) => {
      await this.list(send, node);
      return (await send(["EVALSHA", CREATE.sha, "4", ...names, ...args])) as readonly Reply[];
    });
    if (String(outcome) !== "created")
      throw storeFailed(
        `\`${node}\` is stored already in Redis, by another process`,
        "Give each component a prefix of its own (`store.prefix`).",
      );
    const made = { ...record, epoch: Number(String(epoch)) };
    const found: Found = { first, droppedAt: -1, oldest: undefined, newest: undefined };
    const service = this.serviceOf({ record: made, token: 1 }, found, options);
    this.byNode.set(node, { record: made, service });
    return service;
  }

  /** Waits until nothing of a service waits for Redis. Rejects with `store-failed`. */
  private async idle(service: RedisService | undefined): Promise<void> {
    if (service !== undefined) await this.connections.until(() => service.isIdle);
  }

  /** Names a service in the index, before it is there: after a crash in between, the entry names nothing. */
  private async list(send: Send, node: string): Promise<void> {
    await send(["ZADD", this.keys.services, String(wallNow()), node]);
  }

  /** Notes that the service of this node is about to change. */
  private while<T>(node: string, change: Promise<T>): Promise<T> {
    const done = change.finally(() => {
      if (this.changing.get(node) === done) this.changing.delete(node);
    });
    this.changing.set(node, done);
    return done;
  }

  sweep(now: number): void {
    this.memory.sweep(now);
    const { serviceMs, cursorMs } = this.options.expiry;
    if (Number.isFinite(cursorMs)) this.cursors.expire(now - cursorMs);
    for (let i = 0; i < SWEPT; i++) {
      this.sweeping ??= this.byNode.entries();
      const next = this.sweeping.next();
      if (next.done === true) {
        this.sweeping = undefined;
        break;
      }
      const [node, { record, service }] = next.value;
      service?.trim(now, AGED_ROWS);
      const { seenAt } = service?.record ?? record;
      const isFree = service?.isOpen !== true && service?.isDeleting !== true && !this.changing.has(node);
      // If Redis does not take the deletion, the next round tries again.
      if (isFree && seenAt < now - serviceMs) void this.expire(node).catch(() => undefined);
    }
  }

  private async expire(node: string): Promise<void> {
    // Another node may own the service, and have written it meanwhile.
    if (this.nodes !== undefined) {
      const record = await this.refresh(node);
      if (record === undefined || record.seenAt >= wallNow() - this.options.expiry.serviceMs) return;
    }
    await (await this.open(node))?.delete();
  }

  usage(): StoreUsage {
    const inMemory = this.memory.usage();
    // Tails are in Redis too.
    let tails = 0;
    for (const { service } of this.byNode.values()) tails += service?.journal.tailBytes ?? 0;
    return {
      journalBytes: this.options.storedShares.used + inMemory.journalBytes - tails,
      fileBytes: 0,
      services: this.byNode.size + inMemory.services,
      unwrittenBytes: this.unwritten,
      problem: this.connections.problem,
    };
  }

  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private async end(): Promise<void> {
    for (const { service } of this.byNode.values()) service?.finish();
    await this.nodes?.stop();
    await this.connections.close();
  }
}

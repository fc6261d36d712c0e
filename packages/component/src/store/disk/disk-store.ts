import { wallNow } from "@stanzapack/xmpp";
import type { Later } from "../../base/later.js";
import { Committer } from "./committer.js";
import { DiskCursors } from "./disk-cursors.js";
import { DiskService, type ServiceParts } from "./disk-service.js";
import type { Engine } from "./engine.js";
import { storeFailed } from "../base/failure.js";
import { Janitor } from "./janitor.js";
import { epochKey, metaKey, numberIn, numberKey, tableRange } from "./keys.js";
import { MemoryStore } from "../memory/memory-store.js";
import {
  decodeRecord,
  EMPTY,
  encodeRecord,
  type Head,
  type PastEpoch,
  type Position,
} from "../base/records.js";
import { MAX_UNWRITTEN_BYTES, type StoreOptions } from "../base/store-options.js";
import type { OpenOptions, Store, StoredRecord, StoredService, StoreUsage } from "../store.js";

/** Version of the stored format. A store of another version is refused. */
export const STORE_VERSION = 1;
/** Services that one call of `sweep` looks at. */
const SWEPT = 1_000;
/** Rows of one service that one call of `sweep` drops for their age. */
const AGED_ROWS = 10_000;

export interface DiskStoreOptions extends StoreOptions {
  /** Time within which updates with durability `interval` are written to the disk, in ms. */
  readonly intervalMs: number;
  /** Called if the store is an older copy. `services`: how many have a new epoch. */
  readonly onRestored?: (services: number) => void;
}

/** A store on an engine. It keeps services with durability `none` in memory. */
export class DiskStore implements Store {
  readonly cursors: DiskCursors;
  private readonly committer: Committer;
  private readonly janitor: Janitor;
  private readonly byNode = new Map<string, DiskService>();
  /** Services with durability `none`. */
  private readonly memory: MemoryStore;
  private nextNumber = 1;
  /** The services that `sweep` has not looked at yet in this round. */
  private sweeping: Iterator<DiskService, undefined> | undefined;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly options: DiskStoreOptions,
  ) {
    const { memoryShares: shares, retention, expiry } = options;
    this.memory = new MemoryStore({ shares, retention, expiry, now: wallNow });
    this.committer = new Committer(engine, options.intervalMs, options.onProblem, options.onCommit);
    this.cursors = new DiskCursors(engine, this.committer, (text) =>
      options.onDamage({ node: undefined, text }),
    );
    this.janitor = new Janitor(engine, this.committer);
    for (const table of ["head", "position", "removal"] as const) {
      const { from, to } = tableRange(table);
      for (const { key } of engine.range(from, to, { reverse: true, limit: 1 }))
        this.nextNumber = Math.max(this.nextNumber, numberIn(key) + 1);
    }
    const { from, to } = tableRange("head");
    for (const { key, value } of engine.range(from, to)) this.load(numberIn(key), value);
  }

  private load(number: number, head: Uint8Array | undefined): void {
    const position = this.engine.get(numberKey("position", number))?.value;
    if (head === undefined || position === undefined) {
      const node = head && decodeRecord<Head>(head).node;
      return this.options.onDamage({ node, text: `the record of service ${node ?? number} is damaged` });
    }
    this.add(number, decodeRecord<Head>(head), decodeRecord<Position>(position));
  }

  private add(number: number, head: Head, position: Position): DiskService {
    const { node } = head;
    const { retention, storedShares, onDamage } = this.options;
    const parts: ServiceParts = {
      ...{
        engine: this.engine,
        committer: this.committer,
        number,
        retention,
        shares: storedShares,
        now: wallNow,
      },
      assertRoom: () => this.assertRoom(),
      onLost: (lost) =>
        onDamage({ node, lost, text: `updates ${lost.from} to ${lost.to} of \`${node}\` are lost` }),
      onDeleted: () => {
        this.byNode.delete(node);
        this.janitor.remove(number);
      },
    };
    const service = new DiskService(parts, head, position);
    this.byNode.set(node, service);
    return service;
  }

  private assertRoom(): void {
    if (this.committer.problem === undefined || this.unwrittenBytes() < MAX_UNWRITTEN_BYTES) return;
    throw storeFailed(
      `${MAX_UNWRITTEN_BYTES} bytes wait for the disk: ${this.committer.problem}`,
      "Repair the disk, or make room on it. The component then continues by itself.",
    );
  }

  private unwrittenBytes(): number {
    let bytes = 0;
    for (const service of this.byNode.values()) bytes += service.unwrittenBytes;
    return bytes;
  }

  *services(): Iterable<StoredRecord> {
    for (const { record } of this.byNode.values()) yield record;
    yield* this.memory.services();
  }

  open(node: string, options: OpenOptions = {}): StoredService | undefined {
    return this.byNode.get(node)?.begin(options.retention) ?? this.memory.open(node, options);
  }

  create(record: StoredRecord, options: OpenOptions = {}): Later<StoredService> {
    const { node } = record;
    if (this.byNode.has(node) || this.memory.has(node))
      throw storeFailed(`\`${node}\` is stored already`, "Open it, or delete it first.");
    const epoch = this.epochFor(record);
    if (record.durability === "none") return this.memory.create({ ...record, epoch }, options);
    const { config, baseAt, approved, seenAt, durability, offset, incarnations, last } = record;
    const position = {
      offset,
      reserved: offset,
      incarnations,
      extent: { ...EMPTY, first: offset + 1, newest: offset },
    };
    const head = { node, config, epoch, baseAt, approved, seenAt, durability };
    const service = this.add(this.nextNumber++, head, position).begin(options.retention);
    return service.create(last).then(
      () => service,
      (error: unknown) => {
        this.byNode.delete(node);
        service.forget();
        throw error;
      },
    );
  }

  private epochFor({ node, epoch }: StoredRecord): number {
    const past = this.engine.get(epochKey(node))?.value;
    const next = [past && decodeRecord<PastEpoch>(past).epoch + 1, this.memory.nextEpoch(node)];
    const known = next.filter((each) => each !== undefined);
    return known.length === 0 ? epoch : Math.max(...known);
  }

  sweep(now: number): void {
    this.memory.sweep(now);
    const { serviceMs, cursorMs, epochMs } = this.options.expiry;
    if (Number.isFinite(cursorMs)) this.cursors.expire(now - cursorMs);
    this.janitor.expire(now - epochMs);
    for (let i = 0; i < SWEPT; i++) {
      this.sweeping ??= this.byNode.values();
      const next = this.sweeping.next();
      if (next.done === true) {
        this.sweeping = undefined;
        break;
      }
      const service = next.value;
      service.trim(now, AGED_ROWS);
      // If the disk does not take the deletion, the next round tries again.
      if (!service.isOpen && service.seenAt < now - serviceMs)
        void Promise.resolve(service.delete()).catch(() => undefined);
    }
  }

  usage(): StoreUsage {
    const inMemory = this.memory.usage();
    return {
      journalBytes: this.options.storedShares.used + inMemory.journalBytes,
      fileBytes: this.engine.bytes,
      services: this.byNode.size + inMemory.services,
      unwrittenBytes: this.unwrittenBytes(),
      problem: this.committer.problem,
    };
  }

  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  protected async end(): Promise<void> {
    for (const service of this.byNode.values()) service.end();
    try {
      await this.committer.flush();
    } finally {
      this.committer.stop();
      await this.engine.close();
    }
  }
}

/** Rejects with `store-failed` for a store of another version. Writes the version into an empty store. */
export async function checkVersion(engine: Engine, location: string): Promise<void> {
  const item = engine.get(metaKey("version"));
  if (item === undefined) {
    for (const _ of engine.range(tableRange("head").from, Uint8Array.of(255), { limit: 1 }))
      throw storeFailed(`the store ${location} has no version`, "Name another directory, and keep this one.");
    await engine.commit([{ key: metaKey("version"), value: encodeRecord({ version: STORE_VERSION }) }]);
    return;
  }
  assertVersion(item.value && decodeRecord<{ version: number }>(item.value).version, location);
}

/** Throws `store-failed` for a store of another version. There is one version so far, so nothing is migrated. */
export function assertVersion(version: number | undefined, location: string): void {
  if (version === STORE_VERSION) return;
  const writer = version === undefined || version > STORE_VERSION ? "a later" : "an earlier";
  throw storeFailed(
    `the store ${location} is of version ${version ?? "unknown"}, and this program reads version ${STORE_VERSION}`,
    `Run the version of Stanzapack that wrote the store, probably ${writer} one, or name another directory in \`store.path\`. The store was not changed.`,
  );
}

import { StanzapackError } from "@stanzapack/wire";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import type { Later } from "../../base/later.js";
import type { Durability } from "../../options/service-config.js";
import { assertNext, assertSameMedium } from "../base/checks.js";
import type { JournalRow } from "../base/entries.js";
import { storeFailed } from "../base/failure.js";
import type { StoreDamage } from "../base/store-options.js";
import type { MapWrite, StoredChange, StoredEntry, StoredRecord, StoredService } from "../store.js";
import {
  changedFields,
  rangeOf,
  stateAfter,
  takesNothing,
  weighChange,
  withResolvers,
  type Change,
  type PromiseWithResolvers,
  type ServiceState,
  type Waiting,
} from "./changes.js";
import { encodeFields } from "./fields.js";
import type { ServiceKeys } from "./keys.js";
import type { RedisJournal, Totals } from "./redis-journal.js";
import type { RedisLink, Reply } from "./redis-link.js";
import { mapArguments } from "./redis-map.js";
import { DELETE, FREE, WRITE } from "./scripts.js";
import { RedisAway } from "./trouble.js";
import type { Writer, Writes } from "./writes.js";

/** A batch with more bytes than this takes no further changes, so that Redis is not held up for long. */
const MAX_BATCH_BYTES = 1_048_576;

export interface ServiceParts {
  readonly keys: ServiceKeys;
  /** Sends the changes of services with this durability. */
  readonly writesOf: (durability: Durability) => Writes;
  /** Reads the entries of the map. */
  readonly readEntries: () => Promise<StoredEntry[]>;
  /** How long Redis remembers the epoch of a deleted service, in ms. */
  readonly epochMs: number;
  /** Counts bytes that wait for Redis. Throws `store-failed` if they have reached their bound. */
  readonly hold: (bytes: number) => void;
  readonly release: (bytes: number) => void;
  readonly onDamage: (damage: StoreDamage) => void;
  readonly onCommit: ((ms: number) => void) | undefined;
  /** Names the service in the index of all services. */
  readonly list: () => Promise<void>;
  readonly onDeleted: () => void;
}

/** What Redis lacks of what it had. */
interface Restoring {
  /** The offset that Redis has. −1: it has nothing of the service. */
  readonly stored: number;
  /** Totals of the journal at that offset. */
  readonly totals: Totals;
}

/** A batch that is under way. It is sent again unchanged until it is settled. */
interface Batch {
  readonly taken: readonly Waiting[];
  readonly args: readonly (string | Buffer)[];
  /** It takes no memory in Redis, but for fields of the record. */
  readonly frees: boolean;
  readonly restoring: Restoring | undefined;
  readonly began: number;
  /** Rows that Redis had, and gets again. */
  readonly again: readonly JournalRow[];
}

/**
 * An open service in Redis. Each change is in Redis before readers see it. One batch at a time is under way, and later
 * changes gather for the next. The service belongs to whoever has opened it last: see `token`.
 */
export class RedisService implements StoredService, Writer {
  readonly gap = undefined;
  /** See `StoredService`. */
  keptEntries: (() => Iterable<StoredEntry>) | undefined;
  private now: ServiceState;
  private waiting: Waiting[] = [];
  private flying: Batch | undefined;
  /** Number of the last write. */
  private seq = 0;
  /** Old rows are to be removed from Redis. */
  private isTrimming = false;
  /** Redis may have less than it had: the next write finds out. */
  private isVerifying = false;
  /** A batch is under way. `goOn` sends the next. */
  private isSending = false;
  private state: "open" | "closed" | "deleting" | "deleted" = "open";
  private failure: Error | undefined;
  private deletion: PromiseWithResolvers<void> | undefined;

  constructor(
    private readonly parts: ServiceParts,
    record: StoredRecord,
    /** The fencing token: Redis refuses writes with an older one. */
    private readonly token: number,
    readonly journal: RedisJournal,
  ) {
    const { epoch, offset, incarnations, map, last, ...head } = record;
    this.epoch = epoch;
    this.now = { head, offset, incarnations, map, last };
  }

  readonly epoch: number;

  get record(): StoredRecord {
    const { head, ...now } = this.now;
    const newest = this.journal.newestRow;
    const last = now.last ?? (newest && { row: newest.row, at: newest.at });
    return { ...head, ...now, epoch: this.epoch, last };
  }
  get node(): string {
    return this.now.head.node;
  }
  get isOpen(): boolean {
    return this.state === "open";
  }
  get isDeleting(): boolean {
    return this.state === "deleting";
  }
  /** Nothing waits for Redis any more. */
  get isIdle(): boolean {
    const hasFailed = this.failure !== undefined;
    return (
      this.flying === undefined && this.deletion === undefined && (hasFailed || this.waiting.length === 0)
    );
  }
  get frees(): boolean {
    if (this.state === "deleting") return true;
    return this.flying?.frees ?? this.waiting.every(takesNothing);
  }

  entries(): Later<Iterable<StoredEntry>> {
    return this.parts.readEntries();
  }

  write(change: StoredChange): Later<void> {
    assertNext(this.node, this.lastWaiting().at(-1)?.offset ?? this.now.offset, change.append);
    return this.wait(change);
  }

  setDurability(durability: Durability): Later<void> {
    assertSameMedium(this.record, durability);
    if (durability === this.now.head.durability) return;
    return this.wait({ durability });
  }

  private wait(change: Change): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    if (this.state === "deleting" || this.state === "deleted")
      throw storeFailed(`\`${this.node}\` is no longer stored`, "Create it anew.");
    const rows = change.append === undefined ? [] : this.journal.rowsOf(change.append, this.lastWaiting());
    const bytes = weighChange(change, rows);
    this.parts.hold(bytes);
    return new Promise((resolve, reject) => {
      this.waiting.push({ change, rows, bytes, resolve, reject });
      this.book();
    });
  }

  private book(): void {
    if (this.isSending) return;
    this.parts.writesOf(this.now.head.durability).soon(this);
  }

  /** Returns the rows of the newest change with rows, of those that wait. */
  private lastWaiting(): readonly JournalRow[] {
    const has = ({ rows }: Waiting): boolean => rows.length > 0;
    return (this.waiting.findLast(has) ?? this.flying?.taken.findLast(has))?.rows ?? [];
  }

  async send(link: RedisLink, safe: Promise<void> | undefined): Promise<void> {
    this.isSending = true;
    try {
      if (this.flying === undefined && this.state === "deleting") await this.sendDeletion(link, safe);
      else await this.sendBatch(link, safe);
    } catch (error) {
      if (error instanceof RedisAway) throw error;
      this.fail(error as Error);
    } finally {
      this.isSending = false;
    }
    this.goOn();
  }

  private async sendBatch(link: RedisLink, safe: Promise<void> | undefined): Promise<void> {
    const batch = (this.flying ??= this.prepare());
    if (batch === undefined) return;
    const { record, journal, map, epoch } = this.parts.keys;
    const keys = [record, journal, map, epoch];
    const reply = await link.run(batch.frees ? FREE : WRITE, keys, batch.args);
    const [outcome, ...rest] = (reply as readonly Reply[]).map(String);
    if (outcome === "behind") return this.restore(batch, rest);
    if (outcome !== "stored") throw fenced(this.node);
    await safe;
    this.done(batch);
  }

  /** Returns the next batch. Undefined: there is nothing to write. */
  private prepare(): Batch | undefined {
    const taken: Waiting[] = [];
    let bytes = 0;
    for (const each of this.waiting) {
      if (taken.length > 0 && bytes + each.bytes > MAX_BATCH_BYTES) break;
      taken.push(each);
      bytes += each.bytes;
    }
    if (taken.length === 0 && !this.isTrimming && !this.isVerifying) return undefined;
    this.isVerifying = false;
    this.waiting.splice(0, taken.length);
    return this.batchOf(taken, undefined);
  }

  private batchOf(taken: readonly Waiting[], restoring: Restoring | undefined): Batch {
    const { now, journal, parts } = this;
    const next = taken.reduce((state, { change }) => stateAfter(state, change), now);
    const again = restoring === undefined ? [] : journal.rowsAfter(restoring.stored);
    const stored = restoring?.stored ?? now.offset;
    const { first, droppedAt } = journal;
    const bounds = this.isTrimming || restoring !== undefined ? { first, droppedAt } : {};
    const fields = encodeFields({ ...changedFields(now, next, restoring !== undefined), ...bounds });
    this.isTrimming = false;
    const before = Math.max(0, Math.min(journal.newest, restoring?.stored ?? journal.newest));
    const args = [
      ...[String(this.epoch), String(this.token), String(++this.seq), String(stored)],
      ...[restoring === undefined ? "write" : "restore", "first" in bounds ? String(first) : ""],
      ...[String(next.offset), parts.keys.channel],
      ...journal.entriesFor(
        again.concat(taken.flatMap(({ rows }) => rows)),
        before,
        restoring?.totals ?? journal.taken,
      ),
      ...mapArguments([
        ...(restoring === undefined ? [] : this.mapAgain()),
        ...taken.flatMap(({ change }) => change.map?.writes ?? []),
      ]),
      ...[String(fields.length / 2), ...fields],
    ];
    const frees = restoring === undefined && taken.every(takesNothing);
    return { taken, args, frees, restoring, again, began: monotonicNow() };
  }

  /** Returns the writes that bring a map back as it was after the last batch. */
  private mapAgain(): MapWrite[] {
    const writes: MapWrite[] = [];
    if (this.keptEntries === undefined) return writes;
    for (const entry of this.keptEntries()) writes.push({ type: "put", entry });
    return [{ type: "clear" }, ...writes];
  }

  /** Redis has the batch: readers see it. */
  private done({ taken, restoring, again, began }: Batch): void {
    this.flying = undefined;
    if (restoring !== undefined) this.journal.restored(restoring.stored, restoring.totals, again);
    for (const { change, rows, bytes, resolve } of taken) {
      this.now = stateAfter(this.now, change);
      this.journal.extend(rows);
      this.parts.release(bytes);
      resolve();
    }
    this.parts.onCommit?.(monotonicNow() - began);
  }

  /**
   * Redis has less than it had: it was restored from a copy, or a replica became the primary that lacked the last
   * writes. Writes again what memory still has, and reports the rest. Offsets go on, so none means two things.
   */
  private async restore(
    { taken, restoring }: Batch,
    [stored = "-1", rows = "0", bytes = "0"]: string[],
  ): Promise<void> {
    // Whoever has lost the record has lost the index too.
    await this.parts.list();
    const has = { stored: Number(stored), totals: { rows: Number(rows), bytes: Number(bytes) } };
    if (restoring === undefined || restoring.stored !== has.stored) this.report(has.stored);
    this.flying = this.batchOf(taken, has);
  }

  private report(stored: number): void {
    const { node, journal, parts, now } = this;
    if (stored >= now.offset) return;
    const isWhole = now.map === undefined || this.keptEntries !== undefined;
    const lost = isWhole ? journal.lostAfter(stored) : rangeOf(stored + 1, now.offset);
    const has = stored < 0 ? "nothing of" : `only the updates up to ${stored} of`;
    const text = `Redis has ${has} \`${node}\`, and had those up to ${now.offset}`;
    if (lost === undefined) return parts.onDamage({ node, text: `${text}: they were written again` });
    parts.onDamage({ node, lost, text: `${text}: updates ${lost.from} to ${lost.to} are lost there` });
  }

  /** Nothing of the service can be written any more. */
  private fail(error: Error): void {
    this.failure = error;
    const taken = [...(this.flying?.taken ?? []), ...this.waiting.splice(0)];
    this.flying = undefined;
    for (const { bytes, reject } of taken) {
      this.parts.release(bytes);
      reject(error);
    }
    this.deletion?.reject(error);
    this.deletion = undefined;
  }

  private goOn(): void {
    const hasMore =
      this.waiting.length > 0 || this.flying !== undefined || this.isVerifying || this.state === "deleting";
    if (hasMore && this.failure === undefined) this.book();
  }

  delete(): Later<void> {
    if (this.failure !== undefined) throw this.failure;
    if (this.state === "deleted") return;
    if (this.deletion !== undefined) return this.deletion.promise;
    this.state = "deleting";
    this.deletion = withResolvers<void>();
    const gone = storeFailed(`\`${this.node}\` is deleted`, "Create it anew.");
    for (const { bytes, reject } of this.waiting.splice(0)) {
      this.parts.release(bytes);
      reject(gone);
    }
    this.book();
    return this.deletion.promise;
  }

  private async sendDeletion(link: RedisLink, safe: Promise<void> | undefined): Promise<void> {
    const { keys, epochMs } = this.parts;
    const { record, journal, map, epoch } = keys;
    const keepMs = Number.isFinite(epochMs) ? String(Math.ceil(epochMs)) : "0";
    const args = [String(this.epoch), String(this.token), keepMs];
    const [outcome] = (await link.run(DELETE, [record, journal, map, epoch], args)) as readonly Reply[];
    if (String(outcome) !== "stored") throw fenced(this.node);
    await safe;
    this.state = "deleted";
    this.journal.clear();
    this.parts.onDeleted();
    this.deletion?.resolve();
    this.deletion = undefined;
  }

  close(): void {
    if (this.state !== "open") return;
    this.state = "closed";
    if (this.failure !== undefined) return;
    // If Redis does not take it, the service expires somewhat earlier.
    this.wait({ seenAt: wallNow() }).catch(() => undefined);
  }

  /** The service is not written by this process any more. Frees what it holds in memory. */
  forget(): void {
    this.journal.clear();
  }

  /** Finds out whether Redis has what it had. */
  verify(): void {
    if (this.failure !== undefined || this.state === "deleted") return;
    this.isVerifying = true;
    this.book();
  }

  /** The store is about to close: writes what would wait for the next write. */
  finish(): void {
    if (this.isTrimming) this.verify();
  }

  /** Drops at most `most` updates beyond the bounds. `now`: in ms since 1970. */
  trim(now: number, most: number): void {
    this.journal.trim(now, most);
    if (this.isTrimming && this.isOpen && this.failure === undefined) this.book();
  }

  /** Old rows were dropped. The next write, or the next sweep, removes them from Redis. */
  dropped(): void {
    this.isTrimming = true;
  }
}

function fenced(node: string): StanzapackError {
  return new StanzapackError("fenced", `another process has taken over \`${node}\` in Redis`, {
    mend: "Give each component a prefix of its own (`store.prefix`), and run one component for each prefix.",
  });
}

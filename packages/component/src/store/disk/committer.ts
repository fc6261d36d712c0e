import { monotonicNow } from "@stanzapack/xmpp";
import type { Engine, Write } from "./engine.js";

/** Writes of one part of a store. They reach the disk together, or not at all. */
export interface Batch {
  readonly writes: readonly Write[];
  /** The writes are on the disk. */
  done(): void;
  /** None of the writes is on the disk. */
  failed(error: unknown): void;
}

/** A part of a store that has changes for the disk. */
export interface Writer {
  /** Returns the writes of now. Undefined: there are none. The next call follows only after `done` or `failed`. */
  prepare(): Batch | undefined;
}

/** A commit with more bytes than this takes no further writers, so that an urgent writer does not wait long. */
const MAX_COMMIT_BYTES = 4_194_304;

/**
 * Commits the writes of several writers as one transaction of the engine. One commit is under way at a time. All urgent
 * writers of one turn of the event loop share a commit, and so do those that arrive during another commit. The others
 * wait for the end of the interval.
 */
export class Committer {
  private readonly urgent = new Set<Writer>();
  private readonly dirty = new Set<Writer>();
  /** Writers that have waited for the end of the interval. */
  private readonly due = new Set<Writer>();
  private booked: NodeJS.Immediate | undefined;
  private timer: NodeJS.Timeout | undefined;
  private flight: Promise<void> | undefined;
  private failure: Error | undefined;
  private stopped = false;

  constructor(
    private readonly engine: Engine,
    private readonly intervalMs: number,
    private readonly onProblem: (error: unknown) => void,
    /** Called when a commit is on the disk, with the time that it took, in ms. */
    private readonly onCommit?: (ms: number) => void,
  ) {}

  /** Why the last commit failed. Undefined: the last commit did not fail. */
  get problem(): string | undefined {
    return this.failure?.message;
  }

  /** Commits the writer's changes as soon as possible, because a caller waits for them. */
  soon(writer: Writer): void {
    if (this.stopped) return;
    this.urgent.add(writer);
    if (this.flight === undefined) this.booked ??= setImmediate(() => this.begin());
  }

  /** Commits the writer's changes at the end of the interval. */
  later(writer: Writer): void {
    if (this.stopped) return;
    this.dirty.add(writer);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      for (const each of this.dirty) this.due.add(each);
      this.dirty.clear();
      if (this.flight === undefined) this.begin();
    }, this.intervalMs);
  }

  private begin(): void {
    clearImmediate(this.booked);
    this.booked = undefined;
    const batches = this.gather();
    if (batches.length === 0) return;
    const writes = batches.flatMap((batch) => batch.writes);
    const began = monotonicNow();
    this.flight = this.engine.commit(writes).then(
      () => {
        this.failure = undefined;
        this.onCommit?.(monotonicNow() - began);
        this.end((batch) => batch.done(), batches);
      },
      (error: unknown) => {
        // One report for a series of failed commits.
        if (this.failure === undefined) this.onProblem(error);
        this.failure = error instanceof Error ? error : new Error(String(error));
        this.end((batch) => batch.failed(error), batches);
      },
    );
  }

  private end(tell: (batch: Batch) => void, batches: readonly Batch[]): void {
    this.flight = undefined;
    for (const batch of batches)
      try {
        tell(batch);
      } catch (error) {
        // A fault in one writer must not keep the others waiting.
        this.onProblem(error);
      }
    if (this.urgent.size > 0 || this.due.size > 0) this.begin();
  }

  /** Takes the batches of urgent writers first. */
  private gather(): Batch[] {
    const batches: Batch[] = [];
    let bytes = 0;
    for (const set of [this.urgent, this.due])
      for (const writer of set) {
        if (bytes > MAX_COMMIT_BYTES) return batches;
        set.delete(writer);
        const batch = writer.prepare();
        if (batch === undefined) continue;
        this.due.delete(writer);
        this.dirty.delete(writer);
        bytes += batch.writes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
        batches.push(batch);
      }
    return batches;
  }

  /** Writes all waiting changes. Rejects with the cause if a commit fails. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const writer of this.dirty) this.due.add(writer);
    this.dirty.clear();
    while (this.flight !== undefined || this.urgent.size > 0 || this.due.size > 0) {
      if (this.flight === undefined) this.begin();
      await this.flight;
      if (this.failure !== undefined) throw this.failure;
    }
  }

  /** The engine closes next. What still waits, such as the removal of deleted journals, is left for the next start. */
  stop(): void {
    this.stopped = true;
    this.urgent.clear();
    this.due.clear();
    clearTimeout(this.timer);
    clearImmediate(this.booked);
  }
}

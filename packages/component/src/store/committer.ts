import type { Engine, Write } from "./engine.js";

/** What one part of a store wants to write. */
export interface Batch {
  readonly writes: readonly Write[];
  /** The writes are on the disk. */
  done(): void;
  /** None of the writes is on the disk. */
  failed(error: unknown): void;
}

/** A part of a store that writes now and then. */
export interface Writer {
  /** Returns what is to be written now. Undefined: nothing. A next call follows only after `done` or `failed`. */
  prepare(): Batch | undefined;
}

/** A commit takes no more writers once it has this many bytes, so that an urgent writer does not wait long. */
const MAX_COMMIT_BYTES = 4_194_304;

/**
 * Commits what several writers have as one transaction of the engine, one after the other. Urgent writers of one turn of
 * the event loop are one commit, as well as those that come while another commit is under way. The others wait for the
 * interval.
 */
export class Committer {
  private readonly urgent = new Set<Writer>();
  private readonly dirty = new Set<Writer>();
  /** Writers of the interval whose time is over. */
  private readonly due = new Set<Writer>();
  private booked: NodeJS.Immediate | undefined;
  private timer: NodeJS.Timeout | undefined;
  private flight: Promise<void> | undefined;
  private failure: Error | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly intervalMs: number,
    private readonly onProblem: (error: unknown) => void,
  ) {}

  /** Why the last commit failed. Undefined: it did not. */
  get problem(): string | undefined {
    return this.failure?.message;
  }

  /** The writer has something that somebody waits for. */
  soon(writer: Writer): void {
    this.urgent.add(writer);
    if (this.flight === undefined) this.booked ??= setImmediate(() => this.begin());
  }

  /** The writer has something for the end of the interval. */
  later(writer: Writer): void {
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
    this.flight = this.engine.commit(writes).then(
      () => {
        this.failure = undefined;
        this.end((batch) => batch.done(), batches);
      },
      (error: unknown) => {
        // One report for each time of trouble.
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
        // The fault of one writer must not hold up the others.
        this.onProblem(error);
      }
    if (this.urgent.size > 0 || this.due.size > 0) this.begin();
  }

  /** Urgent writers first. */
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

  /** Writes everything that waits. Rejects with the cause if that is not possible. */
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
}

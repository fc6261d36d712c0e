import type { StanzapackError } from "@stanzapack/wire";
import type { Outbox } from "./outbox.js";
import type { StoredOutbox } from "../store/outbox-store.js";

/** Most of one write to a store. 1 MiB: a few ms. */
const WRITE = { maxRows: 4_096, maxBytes: 1_048_576 };

/** Brings a log's updates into their store, in order; what comes during one write goes with the next. */
export class OutboxSaver {
  private running: Promise<void> | undefined;
  private failure: StanzapackError | undefined;
  private renewal: number | undefined;
  /** What the store has forgotten. */
  private forgotten: number;

  constructor(
    private readonly outbox: Outbox,
    private readonly store: StoredOutbox,
    /** What may be sent has become more. */
    private readonly onSaved: () => void,
    private readonly onFailed: (error: StanzapackError) => void,
    /** Not imported: the part of a page that this is has nothing of the rest. */
    private readonly toError: (error: unknown, doing: string) => StanzapackError,
  ) {
    this.forgotten = store.before;
  }

  /** There is something to save or to forget. */
  kick(): void {
    if (this.failure === undefined) this.running ??= this.run();
  }

  /** Nothing is sent before the store has it. */
  renew(incarnation: number): void {
    this.renewal = incarnation;
    this.outbox.held = true;
    this.kick();
  }

  /** Resolves when everything published until now is saved. Rejects with `store-failed`. */
  async saved(): Promise<void> {
    const { last } = this.outbox;
    while (this.outbox.savedTo < last) {
      this.kick();
      await this.running;
      if (this.failure !== undefined) throw this.failure;
    }
  }

  /** What can be saved still is. */
  async close(): Promise<void> {
    this.kick();
    await this.running;
    // What was to be saved is: there is nothing to tell.
    await (async () => this.store.close())().catch(() => undefined);
  }

  private async run(): Promise<void> {
    // What one turn publishes goes together.
    await Promise.resolve();
    try {
      while (await this.step());
    } catch (error) {
      const { unsaved } = this.outbox;
      this.failure = this.toError(error, `${unsaved} updates could not be saved`);
    } finally {
      this.running = undefined;
    }
    if (this.failure !== undefined) this.onFailed(this.failure);
  }

  /** False: there was nothing to do. */
  private async step(): Promise<boolean> {
    const { outbox, store, renewal } = this;
    if (renewal !== undefined) {
      await store.renew(renewal);
      this.renewal = undefined;
      outbox.held = false;
      this.onSaved();
    }
    const entries = outbox.toSave(WRITE);
    if (entries.length > 0) {
      await store.append(entries);
      outbox.saved(entries.length);
      this.onSaved();
    }
    const { before } = outbox;
    if (before > this.forgotten) {
      await store.forget(before);
      this.forgotten = before;
      return true;
    }
    return entries.length > 0 || renewal !== undefined;
  }
}

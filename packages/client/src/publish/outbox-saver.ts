import type { StanzapackError } from "@stanzapack/wire";
import type { Outbox } from "./outbox.js";
import type { StoredOutbox } from "../store/outbox-store.js";

/** Largest write to a store, in updates and in bytes. 1 MiB takes a few ms. */
const WRITE = { maxRows: 4_096, maxBytes: 1_048_576 };

/** Writes the updates of a log into their store, in order. Updates published during a write go into the next one. */
export class OutboxSaver {
  private running: Promise<void> | undefined;
  private failure: StanzapackError | undefined;
  private renewal: number | undefined;
  /** Sequence of the last update that the store has removed. */
  private forgotten: number;

  constructor(
    private readonly outbox: Outbox,
    private readonly store: StoredOutbox,
    /** Called when more updates may be sent. */
    private readonly onSaved: () => void,
    private readonly onFailed: (error: StanzapackError) => void,
    /** An argument, because this file is loaded on demand in pages, as a part that imports nothing of the rest. */
    private readonly toError: (error: unknown, doing: string) => StanzapackError,
  ) {
    this.forgotten = store.before;
  }

  /** Starts a write, unless one is running or has failed. */
  kick(): void {
    if (this.failure === undefined) this.running ??= this.run();
  }

  /** Continues under another incarnation. No update is sent before the store has the incarnation. */
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

  /** Saves the updates that can still be saved, and closes the store. */
  async close(): Promise<void> {
    this.kick();
    await this.running;
    // The writes are over, so a failure of `close` changes nothing.
    await (async () => this.store.close())().catch(() => undefined);
  }

  private async run(): Promise<void> {
    // One write takes all updates that one turn publishes.
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

  /** Resolves to false if there was nothing to do. */
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

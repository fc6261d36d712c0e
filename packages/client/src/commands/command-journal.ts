import type { StanzapackError } from "@stanzapack/wire";
import type { StoredCommand, StoredCommands } from "../store/command-store.js";
import { toStoreError } from "../store/outbox-store.js";
import { encodeSentTimes, type SentTimes } from "./command-record.js";

interface Waiter {
  /** Number of the change that it waits for. */
  readonly change: number;
  readonly resolve: () => void;
  readonly reject: (error: StanzapackError) => void;
}

/** Writes commands and what became of them into their store, in order. One write takes all changes made before it. */
export class CommandJournal {
  private put: StoredCommand[] = [];
  private removed: number[] = [];
  private readonly sent: Map<number, number>;
  private sentChanged = false;
  /** Count of changes until now, and of those that are stored. */
  private made = 0;
  private stored = 0;
  private waiters: Waiter[] = [];
  private running: Promise<void> | undefined;
  private failure: StanzapackError | undefined;

  constructor(
    private readonly store: Pick<StoredCommands, "write" | "close">,
    sent: SentTimes,
    private readonly onFailed: (error: StanzapackError) => void,
  ) {
    this.sent = new Map(sent);
  }

  /** Adds a command. Resolves when it is stored. Rejects with `store-failed`. */
  add(command: StoredCommand): Promise<void> {
    this.put.push(command);
    this.made++;
    return this.settled();
  }

  /** Notes that a command is about to be sent. Resolves when that is stored. Rejects with `store-failed`. */
  markSent(sequence: number, at: number): Promise<void> {
    this.sent.set(sequence, at);
    this.sentChanged = true;
    this.made++;
    return this.settled();
  }

  /** Notes that a command was not sent after all, and did not run. */
  unmark(sequence: number): void {
    this.sentChanged = this.sent.delete(sequence) || this.sentChanged;
    this.made++;
    this.kick();
  }

  /**
   * Removes a command that has ended, with the next write or `flush`. If this program ends before, the next one asks
   * for the result again.
   */
  remove(sequence: number): void {
    this.sentChanged = this.sent.delete(sequence) || this.sentChanged;
    this.removed.push(sequence);
    this.made++;
  }

  /** Stores what `remove` has left. */
  flush(): void {
    if (this.made > this.stored) this.kick();
  }

  /** Resolves when all changes until now are stored. Rejects with `store-failed`. */
  settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure);
      if (this.stored === this.made) return resolve();
      this.waiters.push({ change: this.made, resolve, reject });
      this.kick();
    });
  }

  /** Stores what can still be stored, and closes the store. */
  async close(): Promise<void> {
    this.flush();
    await this.running;
    // The writes are over, so a failure of `close` changes nothing.
    await (async () => this.store.close())().catch(() => undefined);
  }

  private kick(): void {
    if (this.failure === undefined) this.running ??= this.run();
  }

  private async run(): Promise<void> {
    // One write takes all changes of one turn.
    await Promise.resolve();
    try {
      while (this.made > this.stored) await this.write();
    } catch (error) {
      const failure = (this.failure = toStoreError(error, "commands could not be stored"));
      for (const { reject } of this.waiters.splice(0)) reject(failure);
    } finally {
      this.running = undefined;
    }
    if (this.failure !== undefined) this.onFailed(this.failure);
  }

  private async write(): Promise<void> {
    const { put, removed, made } = this;
    const state = this.sentChanged ? encodeSentTimes(this.sent) : undefined;
    this.put = [];
    this.removed = [];
    this.sentChanged = false;
    await this.store.write({ put, remove: removed, state });
    this.stored = made;
    const ready = this.waiters.findIndex(({ change }) => change > made);
    for (const { resolve } of this.waiters.splice(0, ready < 0 ? this.waiters.length : ready)) resolve();
  }
}

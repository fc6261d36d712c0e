import type { StanzapackError, ErrorCode, Value } from "@stanzapack/wire";
import { backoffMs, deadline, wallNow } from "@stanzapack/xmpp";
import { toStanzapackError } from "../base/errors.js";
import type { CommandTarget } from "./command-host.js";
import type { QueuedCommand } from "./queued-command.js";

/**
 * How long the publisher remembers results, in ms. After that it is of no use to ask again. It is the time of
 * `publish/call-handlers.ts`.
 */
export const REMEMBERED_MS = 600_000;
/** Pause before a call that did not run is made again, in ms, if nobody names another one. */
const RETRY = { minMs: 1_000, maxMs: 60_000 };

/** Errors of a call that did not run, and may run later: the program may subscribe again, the publisher offer again. */
const LATER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(["publisher-offline", "busy", "timeout"] as const),
  ...(["not-subscribed", "withdrawn", "stopped"] as const),
]);

export type CommandOutcome = { readonly result: Value } | { readonly error: StanzapackError };

/** The calls that a lane makes to its queue. */
export interface LaneHost {
  target(): CommandTarget | undefined;
  /** Resolves when it is stored that the command is about to be sent. Rejects if the queue has ended. */
  markSent(command: QueuedCommand): Promise<void>;
  /** The command did not run. */
  unmark(command: QueuedCommand): void;
  settle(command: QueuedCommand, outcome: CommandOutcome): void;
  /** The lane has nothing to do, or cannot go on now. */
  rests(): void;
}

/**
 * Commands to one node. Each is sent when the command before has its result, so the publisher runs them in their order.
 */
export class CommandLane {
  private readonly commands: QueuedCommand[] = [];
  private running = false;
  private closed = false;
  private failures = 0;
  private wake: (() => void) | undefined;

  constructor(private readonly host: LaneHost) {}

  get idle(): boolean {
    return this.commands.length === 0 && !this.running;
  }

  /** Adds a command behind the others. It starts with the next `kick`. */
  push(command: QueuedCommand): void {
    this.commands.push(command);
  }

  /** Removes a command that was not sent. */
  remove(command: QueuedCommand): void {
    const at = this.commands.indexOf(command);
    if (at >= 0) this.commands.splice(at, 1);
    this.wake?.();
  }

  /** Something has changed that the lane may wait for. */
  kick(): void {
    if (this.closed) return;
    this.wake?.();
    if (!this.running) void this.run();
  }

  /** Sends nothing more. What is on its way stays as sent. */
  close(): void {
    this.closed = true;
    this.wake?.();
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.commands.length > 0) {
        const target = this.host.target();
        const [command] = this.commands;
        if (command === undefined || target?.calls.ready !== true) {
          this.host.rests();
          await this.pause();
        } else await this.attempt(command, target);
        // Another method may have closed it during the wait.
        if (this.isClosed()) return;
      }
    } finally {
      this.running = false;
    }
    this.host.rests();
  }

  private isClosed(): boolean {
    return this.closed;
  }

  private async attempt(command: QueuedCommand, target: CommandTarget): Promise<void> {
    const isNew = command.sentAt === undefined;
    try {
      if (isNew) await this.host.markSent(command);
    } catch {
      // The store has failed, which ends the queue.
      return this.close();
    }
    if (this.closed) return;
    const outcome = await this.call(command, target, isNew);
    // The queue may have given the command up meanwhile.
    if (this.isClosed() || this.commands[0] !== command) return;
    if ("error" in outcome) {
      const { code, retryAfterMs, origin, scope } = outcome.error;
      // An error of another scope has ended the subscription before the call was sent.
      if (isNew && (LATER.has(code) || scope !== "call")) {
        this.host.unmark(command);
        this.host.rests();
        // A component that is busy must not be asked sooner.
        return this.pause(retryAfterMs ?? backoffMs(RETRY, this.failures++, Math.random()), code !== "busy");
      }
      const isOpen = code === "outcome-unknown" && (isNew || origin === "local");
      if (isOpen && askableMs(command) > 0) return;
    }
    this.failures = 0;
    this.commands.shift();
    this.host.settle(command, outcome);
  }

  /** Calls, or asks for the result of a call that was sent before. */
  private async call(
    { id, method, args, timeoutMs, ...command }: QueuedCommand,
    { calls }: CommandTarget,
    isNew: boolean,
  ): Promise<CommandOutcome> {
    const waitMs = isNew ? timeoutMs : Math.max(timeoutMs, askableMs(command));
    try {
      return { result: await calls.make({ id, method, args: isNew ? args : undefined, timeoutMs: waitMs }) };
    } catch (error) {
      return { error: toStanzapackError(error, `calling \`${method}\` of \`${command.node}\``) };
    }
  }

  /** Waits for a kick, or for so many ms at most. `heeds`: a kick ends the wait. */
  private async pause(ms?: number, heeds = true): Promise<void> {
    let cancel: (() => void) | undefined;
    await new Promise<void>((resolve) => {
      if (ms !== undefined) cancel = deadline(ms, resolve);
      this.wake = () => {
        if (heeds || this.closed) resolve();
      };
    });
    this.wake = undefined;
    cancel?.();
  }
}

/** How long the publisher still remembers the result of a call that was sent, in ms. */
function askableMs({ sentAt }: Pick<QueuedCommand, "sentAt">): number {
  const age = sentAt === undefined ? 0 : wallNow() - sentAt;
  return Math.min(REMEMBERED_MS, REMEMBERED_MS - age);
}

import { DEFAULT_LIMITS, encodeUpdate, StanzapackError, type Value } from "@stanzapack/wire";
import { deadline, wallNow } from "@stanzapack/xmpp";
import { Emitter } from "../base/emitter.js";
import { COMMAND_BOUNDS, type CommandOptions, type CommandsOptions } from "../options/command-options.js";
import { checked, checkMethod, nodeOf } from "../options/option-checks.js";
import type { StoredCommands } from "../store/command-store.js";
import { isSameValue } from "../subscribe/same-value.js";
import type { Subscription } from "../subscribe/subscription.js";
import type { CommandHost } from "./command-host.js";
import { CommandJournal } from "./command-journal.js";
import { CommandLane, REMEMBERED_MS, type CommandOutcome } from "./command-lane.js";
import { encodeCommand, type CommandRecord } from "./command-record.js";
import { CommandView } from "./command-view.js";
import { expectationOf } from "./expectation.js";
import { Overlay } from "./overlay.js";
import { describeCommand, expectedOf, nameOf, type Command, type QueuedCommand } from "./queued-command.js";
import { restoreCommands, type RestoredCommands } from "./restored-commands.js";

/** Longest wait of one timer, in ms. */
const MAX_TIMER_MS = 2_147_483_647;
/** Defaults of `timeoutMs` and `keepMs`. 604,800,000: a week. */
const TIMEOUT_MS = 30_000;
const KEEP_MS = 604_800_000;
/** Length of an id, in bytes. 12: ids of one account never meet by chance. */
const ID_BYTES = 12;

export interface CommandEvents {
  /** The command ran, with the expected result, or without an expectation. */
  done: (event: { readonly command: Command; readonly result: Value }) => void;
  /** The command ran, with another result than expected. Its changes of the map are taken back. */
  variance: (event: { readonly command: Command; readonly expected: Value; readonly result: Value }) => void;
  /**
   * The command has no result. `outcome-unknown`: it may have run. `call-failed`: it ran, and its handler threw.
   * `too-large`, `unencodable`: it did not run, or ran with a result that cannot be sent. Any other code: it did not
   * run; `timeout` after `keepMs`. Its changes of the map are taken back.
   */
  failed: (event: { readonly command: Command; readonly error: StanzapackError }) => void;
  /** A stored command cannot be read. It is removed, and does not run. It may have run before. */
  damaged: (event: { readonly sequence: number; readonly error: StanzapackError }) => void;
  /** The queue has ended: by `close`, with the client, or with the error of its store. Emitted once. */
  ended: (error: StanzapackError | undefined) => void;
}

/** What the queue has of one node. */
interface Node {
  readonly lane: CommandLane;
  readonly overlay: Overlay;
}

/**
 * Calls that wait for the link in a store, each with its expected result. `client.commands` makes a queue. Each command
 * ends in exactly one of `done`, `variance` and `failed`, unless it is cancelled, or damaged in the store.
 */
export class Commands extends Emitter<CommandEvents> {
  private readonly nodes = new Map<string, Node>();
  private readonly queue = new Map<number, QueuedCommand>();
  private readonly views = new WeakMap<object, unknown>();
  private readonly journal: CommandJournal;
  private readonly bounds: typeof COMMAND_BOUNDS;
  private readonly unwatch: () => void;
  /** Commands that wait or are being stored, and their bytes. */
  private count = 0;
  private bytes = 0;
  private last = 0;
  private expiry: { readonly at: number; readonly cancel: () => void } | undefined;
  private endedWith: { readonly error: StanzapackError | undefined } | undefined;
  private closed: Promise<void> | undefined;

  /** Use `client.commands`. */
  constructor(...none: [never, ...never[]]);
  /** @internal */
  constructor(host: CommandHost, store: StoredCommands, restored: RestoredCommands, options: CommandsOptions);
  constructor(
    private readonly host: CommandHost,
    store: StoredCommands,
    restored: RestoredCommands,
    { maxCommands = COMMAND_BOUNDS.maxCommands, maxBytes = COMMAND_BOUNDS.maxBytes }: CommandsOptions,
  ) {
    super();
    this.bounds = { maxCommands, maxBytes };
    this.journal = new CommandJournal(store, restored.sent, (error) => void this.end(error));
    this.last = restored.last;
    this.unwatch = host.watch({
      callable: (node) => this.nodes.get(node)?.lane.kick(),
      mapChanged: (node, outcome) => this.nodes.get(node)?.overlay.onBase(outcome),
    });
    this.hold();
    for (const command of restored.commands) {
      const { overlay } = this.nodeOf(command.node);
      overlay.stage(command.sequence, command.changes);
      this.count++;
      this.bytes += command.bytes;
      this.enqueue(command);
      if (command.sentAt !== undefined) overlay.sent(command.sequence);
    }
    for (const { sequence, error } of restored.damaged) {
      this.journal.remove(sequence);
      this.tell("damaged", { sequence, error });
    }
  }

  /** Commands that wait for their results, in order. */
  get pending(): readonly Command[] {
    return [...this.queue.values()].map(describeCommand);
  }
  get ended(): boolean {
    return this.endedWith !== undefined;
  }

  /**
   * Queues a call to a method of the publisher of a service. `target` is a subscription, or its node. `args` is a value
   * as `publish` takes it, null by default. Resolves when the command is in the store: then it is in `pending`, and its
   * changes are in the view.
   *
   * Commands to one node run in their order: each is sent once the command before has ended. Commands to other nodes do
   * not wait for them. A command waits until this client has a link and a subscription to the node, and the publisher
   * is online.
   *
   * If it rejects, nothing is queued. Rejects with `busy` if the queue is full; `unencodable` for a value that cannot
   * travel; `too-large` for a value beyond 48 KiB, and for changes of more than 1,000 keys or 48 KiB; `usage` if
   * `change` is asynchronous, or changes a service that is no map; `invalid-options`; `store-failed`; and `stopped`
   * after the end. What `change` throws is thrown too.
   */
  async call<T = Value>(
    target: Subscription<T> | string,
    method: string,
    args?: Value,
    options: CommandOptions<T> = {},
  ): Promise<Command> {
    checkMethod("call", method);
    const { expect, change, timeoutMs = TIMEOUT_MS, keepMs = KEEP_MS } = checked("command", options, "call");
    const node = typeof target === "string" ? nodeOf("call", target) : target.node;
    this.assertOpen();
    this.assertRoom(0);
    const { overlay } = this.nodeOf(node);
    let sequence = 0;
    try {
      const { changes, result } = expectationOf(change, overlay, this.host.target(node));
      // Null is a result like any other.
      const expected = expect === undefined ? result : expect;
      const queuedAt = Math.round(wallNow());
      const record: CommandRecord = {
        id: crypto.getRandomValues(new Uint8Array(ID_BYTES)),
        ...{ node, method, args: encodeUpdate(args ?? null, DEFAULT_LIMITS) },
        expected: expected === undefined ? undefined : encodeUpdate(expected, DEFAULT_LIMITS),
        ...{ changes, queuedAt, expiresAt: queuedAt + keepMs, timeoutMs },
      };
      const bytes = encodeCommand(record);
      this.assertRoom(bytes.length);
      sequence = ++this.last;
      overlay.stage(sequence, changes);
      this.count++;
      this.bytes += bytes.length;
      await this.journal.add({ sequence, bytes });
      const command: QueuedCommand = { ...record, sequence, bytes: bytes.length, sentAt: undefined };
      this.enqueue(command).kick();
      return describeCommand(command);
    } catch (error) {
      overlay.rollBack(sequence);
      this.tidy(node);
      throw error;
    }
  }

  /**
   * Removes a command that was not sent. Resolves to true once the removal is stored: the command never runs. Resolves
   * to false if the command was sent, or has ended.
   */
  async cancel({ id }: Pick<Command, "id">): Promise<boolean> {
    this.assertOpen();
    const found = [...this.queue.values()].find((it) => it.sentAt === undefined && nameOf(it) === id);
    if (found === undefined) return false;
    const node = this.nodes.get(found.node);
    node?.lane.remove(found);
    this.forget(found);
    node?.overlay.rollBack(found.sequence);
    this.tidy(found.node);
    await this.journal.settled();
    return true;
  }

  /**
   * Returns the map of a subscription with the changes that its commands are expected to make. The view shows a change
   * once its command is stored. It drops the change when the command ends in `variance` or `failed`. After `done` it
   * shows the change until the map has it. Throws `stopped` if the subscription or the queue has ended.
   */
  view<T>(subscription: Subscription<T>): CommandView<T> {
    this.assertOpen();
    if (subscription.ended)
      throw new StanzapackError("stopped", `the subscription to \`${subscription.node}\` has ended`);
    const known = this.views.get(subscription) as CommandView<T> | undefined;
    const view = known ?? new CommandView(subscription, this.nodeOf(subscription.node).overlay);
    this.views.set(subscription, view);
    return view;
  }

  /**
   * Ends the queue. Commands stay in the store, for the next queue of this account. Resolves when the store is closed.
   * Idempotent. `client.close` does the same.
   */
  async close(): Promise<void> {
    await this.end(undefined);
  }

  /** @internal The program can listen now: the commands start. */
  protected override toldEarly(): void {
    for (const { lane } of [...this.nodes.values()]) lane.kick();
    this.watchExpiry();
    this.journal.flush();
  }

  private nodeOf(node: string): Node {
    let known = this.nodes.get(node);
    if (known === undefined) {
      const lane = new CommandLane({
        target: () => this.host.target(node),
        markSent: async (command) => {
          command.sentAt = wallNow();
          this.nodes.get(node)?.overlay.sent(command.sequence);
          await this.journal.markSent(command.sequence, command.sentAt);
        },
        unmark: (command) => {
          command.sentAt = undefined;
          this.nodes.get(node)?.overlay.unsent(command.sequence);
          this.journal.unmark(command.sequence);
          this.watchExpiry(dueAt(command));
        },
        settle: (command, outcome) => this.settle(command, outcome),
        rests: () => {
          this.journal.flush();
          this.tidy(node);
        },
      });
      known = {
        lane,
        overlay: new Overlay(
          () => this.host.target(node),
          () => this.tidy(node),
        ),
      };
      this.nodes.set(node, known);
    }
    return known;
  }

  /** Forgets a node that has nothing left. */
  private tidy(node: string): void {
    const known = this.nodes.get(node);
    if (known?.lane.idle === true && known.overlay.idle) this.nodes.delete(node);
  }

  private assertOpen(): void {
    if (this.endedWith === undefined) return;
    throw this.endedWith.error ?? new StanzapackError("stopped", "the queue of commands is closed");
  }

  private assertRoom(bytes: number): void {
    const { maxCommands, maxBytes } = this.bounds;
    if (this.count < maxCommands && this.bytes + bytes <= maxBytes) return;
    const text = `the queue is full: ${this.count} commands of ${this.bytes} bytes wait for their results`;
    throw new StanzapackError("busy", text, { scope: "call" });
  }

  /** A command is in the store. */
  private enqueue(command: QueuedCommand): CommandLane {
    const { lane, overlay } = this.nodeOf(command.node);
    this.queue.set(command.sequence, command);
    lane.push(command);
    overlay.show(command.sequence);
    this.watchExpiry(dueAt(command));
    return lane;
  }

  private forget({ sequence, bytes }: QueuedCommand): void {
    this.queue.delete(sequence);
    this.count--;
    this.bytes -= bytes;
    this.journal.remove(sequence);
  }

  /** The event comes before the removal from the store: a program that ends in between reports the command again. */
  private settle(command: QueuedCommand, outcome: CommandOutcome): void {
    const described = describeCommand(command);
    const expected = expectedOf(command);
    const overlay = this.nodes.get(command.node)?.overlay;
    const { sequence } = command;
    this.queue.delete(sequence);
    if ("error" in outcome) {
      overlay?.rollBack(sequence);
      this.tell("failed", { command: described, error: outcome.error });
    } else if (expected === undefined || isSameValue(expected, outcome.result)) {
      overlay?.confirm(sequence);
      this.tell("done", { command: described, result: outcome.result });
    } else {
      overlay?.rollBack(sequence);
      this.tell("variance", { command: described, expected, result: outcome.result });
    }
    this.forget(command);
  }

  /** Sees to it that commands end in time. `at`: when one more command expires. */
  private watchExpiry(at = Math.min(...[...this.queue.values()].map(dueAt))): void {
    if (this.ended || at === Infinity || (this.expiry !== undefined && this.expiry.at <= at)) return;
    this.expiry?.cancel();
    const waitMs = Math.min(MAX_TIMER_MS, Math.max(0, at - wallNow()));
    const cancel = deadline(waitMs, () => {
      this.expiry = undefined;
      this.expire();
      this.watchExpiry();
    });
    this.expiry = { at, cancel };
  }

  private expire(): void {
    const now = wallNow();
    for (const command of [...this.queue.values()]) {
      if (dueAt(command) > now) continue;
      this.nodes.get(command.node)?.lane.remove(command);
      this.settle(command, { error: expired(command) });
      this.tidy(command.node);
    }
    this.journal.flush();
  }

  private end(error: StanzapackError | undefined): Promise<void> {
    return (this.closed ??= this.endNow(error));
  }

  private async endNow(error: StanzapackError | undefined): Promise<void> {
    this.endedWith = { error };
    this.unwatch();
    this.expiry?.cancel();
    for (const { lane, overlay } of this.nodes.values()) {
      lane.close();
      overlay.close();
    }
    // A listener may close the queue before its command is removed.
    await Promise.resolve();
    await this.journal.close();
    this.tell("ended", error);
  }
}

/** Makes the queue of the commands that are in a store. Throws `store-failed` if another version has written them. */
export function continueCommands(
  host: CommandHost,
  store: StoredCommands,
  options: CommandsOptions,
): Commands {
  return new Commands(host, store, restoreCommands(store), options);
}

/** When a command ends without a result, in ms since 1970. One that was sent is asked for as long as that is of use. */
function dueAt({ expiresAt, sentAt }: QueuedCommand): number {
  return sentAt === undefined ? expiresAt : Math.max(expiresAt, sentAt + 2 * REMEMBERED_MS);
}

function expired({ method, node, sentAt }: QueuedCommand): StanzapackError {
  const what = `\`${method}\` of \`${node}\``;
  if (sentAt !== undefined)
    return new StanzapackError("outcome-unknown", `no result of ${what} came in its time`);
  return new StanzapackError("timeout", `${what} was not sent in its time`, {
    ...{ scope: "call", mend: "Queue it again if it still makes sense: it did not run." },
  });
}

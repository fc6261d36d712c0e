import { decodeRow, WHOLE, type CallFrame, type ErrorCode, type Value } from "@stanzapack/wire";
import { onTestFinished, vi } from "vitest";
import type { CommandHost, CommandWatcher } from "../commands/command-host.js";
import { continueCommands, type Commands } from "../commands/commands.js";
import { LinkCalls, type CallOutcome } from "../link/link-calls.js";
import type { CommandsOptions } from "../options/command-options.js";
import { CallHandlers } from "../publish/call-handlers.js";
import type { CommandBatch, StoredCommand, StoredCommands } from "../store/command-store.js";
import { SharedSubscription } from "../subscribe/shared-subscription.js";
import type { Subscription } from "../subscribe/subscription.js";

/** A store in memory, as it is on a disk: only what a resolved `write` had is there after a restart. */
export class MemoryCommands {
  readonly kept = new Map<number, Uint8Array>();
  state: Uint8Array | undefined;
  readonly writes: CommandBatch[] = [];
  /** Each write waits for it, and rejects as it does. */
  gate: () => Promise<void> = () => Promise.resolve();
  closed = 0;
  private programs = 0;

  /** The program that has the store ends: nothing that it still writes is kept, and it hears of no write. */
  crash(): void {
    this.programs++;
  }

  open(): StoredCommands {
    const program = this.programs;
    return {
      entries: [...this.kept].map(([sequence, bytes]): StoredCommand => ({ sequence, bytes })),
      state: this.state,
      write: async (batch) => {
        await this.gate();
        if (program !== this.programs) return new Promise(() => undefined);
        this.writes.push(batch);
        for (const { sequence, bytes } of batch.put) this.kept.set(sequence, bytes);
        for (const sequence of batch.remove) this.kept.delete(sequence);
        this.state = batch.state ?? this.state;
        return undefined;
      },
      close: async () => void this.closed++,
    };
  }
}

export const NODE = "alice@example.org/fleet";

/**
 * A publisher with a map and handlers, a component that passes calls on, and a subscriber with a queue of commands, in
 * one process. Frames are passed on in a later turn, in order.
 */
export class CommandStage {
  handlers = new CallHandlers(NODE, () => undefined);
  readonly store = new MemoryCommands();
  /** Calls as the component received them. */
  readonly calls: CallFrame[] = [];
  /** Refuses calls with this code, as the component does. */
  refusal: { readonly code: ErrorCode; readonly retryAfterMs: number | null } | undefined;
  /** Drops results, as a link that breaks does. */
  dropResults = false;
  /** Whether the subscriber is told of changes of the map. Otherwise they wait for `tellLate`. */
  mapIsLate = false;
  private late: Value[] = [];
  shared = this.subscribed();
  subscription!: Subscription<number>;
  private readonly watchers = new Set<CommandWatcher>();
  private calling: LinkCalls | undefined;
  private offset = 0;
  private known = true;
  /** Everything that was made, also by programs that have ended. */
  private readonly made: { readonly shareds: SharedSubscription[]; readonly queues: Commands[] };

  constructor() {
    this.made = { shareds: [this.shared], queues: [] };
    this.resubscribe();
    onTestFinished(() => this.end());
  }

  /** Stops all timers. */
  private end(): void {
    this.store.crash();
    for (const queue of this.made.queues) void queue.close();
    for (const shared of this.made.shareds) shared.finish(undefined);
  }

  private subscribed(): SharedSubscription {
    return new SharedSubscription(
      NODE,
      {},
      {
        change: (_, windowMs, selection) => Promise.resolve({ subid: "1", windowMs, selection }),
        stop: () => Promise.resolve(),
        credit: () => undefined,
        callable: ({ node }) => this.watchers.forEach((watcher) => watcher.callable(node)),
        mapChanged: ({ node }, outcome) =>
          this.watchers.forEach((watcher) => watcher.mapChanged(node, outcome)),
      },
    );
  }

  /** The subscriber subscribes, as after a restart of its program. There is no link yet. */
  resubscribe(): void {
    this.shared = this.subscribed();
    this.made.shareds.push(this.shared);
    this.subscription = this.shared.join<number>({});
    this.known = true;
  }

  /** The subscriber's program ends, with its queue and its link, and another one begins. */
  crash(): void {
    this.store.crash();
    this.watchers.clear();
    this.offline();
    this.resubscribe();
  }

  /** The subscriber has no subscription to the node. */
  unsubscribe(): void {
    this.known = false;
    this.shared.finish(undefined);
  }

  get host(): CommandHost {
    return {
      target: (node) => (node === NODE && this.known && !this.shared.ended ? this.shared : undefined),
      watch: (watcher) => {
        this.watchers.add(watcher);
        return () => this.watchers.delete(watcher);
      },
    };
  }

  /** Makes the queue of the commands in the store. Its events are in `events`, by id. */
  open(options: CommandsOptions = {}) {
    const commands = continueCommands(this.host, this.store.open(), options);
    this.made.queues.push(commands);
    const events: [string, unknown, unknown?][] = [];
    commands.on("done", ({ command, result }) => events.push(["done", command.args, result]));
    commands.on("variance", ({ command, expected, result }) =>
      events.push(["variance", command.args, [expected, result]]),
    );
    commands.on("failed", ({ command, error }) => events.push(["failed", command.args, error.code]));
    commands.on("damaged", ({ sequence }) => events.push(["damaged", sequence]));
    commands.on("ended", (error) => events.push(["ended", error?.code]));
    commands.handOut();
    return { commands, events };
  }

  /** The link is there, and the component has bound the subscription. */
  online(): void {
    const link = {
      takesCalls: true,
      reachable: true,
      sendFrame: (frame: unknown) => setImmediate(() => this.receive(frame as CallFrame, calls)),
    };
    const calls: LinkCalls = new LinkCalls(() => link);
    this.calling = calls;
    const { shared } = this;
    shared.begin(shared.wanted.credit);
    shared.bound({
      ...{ type: "bind", role: "subscription", alias: 1, node: NODE, subid: "1", kind: "map", baseAt: 0 },
    });
    shared.applyGrant({ subid: "1", windowMs: 0, selection: WHOLE });
    shared.calls.onBound(calls, 1);
    shared.deliverSnapshot(
      {
        ...{ type: "snapshot", alias: 1, epoch: 1, from: 1, to: this.offset, begins: true, left: 0 },
        ...{ form: "rows", payload: new Uint8Array(0) },
      },
      [...this.master].map(([key, value], i) => ({ position: i + 1, key, value })),
    );
  }

  /** The link is gone, with what was on its way. */
  offline(): void {
    this.calling = undefined;
    this.shared.interrupt("disconnected");
  }

  /** The publisher's map. `set` and `remove` change it, and tell the subscriber. */
  readonly master = new Map<string, Value>();

  set(key: string, value: Value): void {
    this.master.set(key, value);
    this.tell([[key, value]]);
  }

  remove(key: string): void {
    this.master.delete(key);
    this.tell([[key]]);
  }

  /** The subscriber is told of the changes that waited. */
  tellLate(): void {
    this.mapIsLate = false;
    for (const row of this.late.splice(0)) this.tell(row);
  }

  /** The publisher comes, or goes. */
  publisherIs(status: "online" | "offline"): void {
    this.refusal = status === "online" ? undefined : { code: "publisher-offline", retryAfterMs: null };
    this.shared.publisherIs(status, null);
  }

  /** Another program of the publisher takes the place of the one before, which has forgotten everything. */
  restartPublisher(): void {
    this.handlers = new CallHandlers(NODE, () => undefined);
  }

  private tell(row: Value): void {
    if (this.mapIsLate) return void this.late.push(row);
    this.offset++;
    if (this.calling === undefined) return;
    const batch = { epoch: 1, from: this.offset, to: this.offset, at: 0, spanMs: 0, rows: [row] };
    this.shared.deliver(batch);
  }

  private receive(frame: CallFrame, from: LinkCalls): void {
    // It was lost with its link.
    if (this.calling !== from) return;
    this.calls.push(frame);
    const answer = (outcome: CallOutcome): void => {
      setImmediate(() => {
        if (this.calling === from && !this.dropResults) from.onResult({ ...outcome, call: frame.call });
      });
    };
    if (this.refusal !== undefined && !frame.again)
      return answer({ type: "result", ok: false, text: "refused by the component", ...this.refusal });
    this.handlers.take({ ...frame, caller: "bob@example.org" }, answer);
  }
}

/** Arguments of a new CALL. */
export function argsOf(frame: CallFrame): Value | undefined {
  return frame.again ? undefined : decodeRow(frame.args);
}

/** Resolves when the condition holds. With fake timers, time passes. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  await vi.waitFor(() => {
    if (!condition()) throw new Error(`not yet: ${what}`);
  }, 5_000);
}

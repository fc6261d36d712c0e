import { rethrow } from "@stanzapack/xmpp";
import { EventEmitter } from "eventemitter3";
import { soon } from "./soon.js";

type Listener = (...args: unknown[]) => unknown;

/** Guard of each listener. A listener always has the same guard, so that it can be removed. */
const guards = new WeakMap<Listener, Listener>();
/** Listener of each guard. */
const guarded = new WeakMap<Listener, Listener>();

function guardOf<L>(listener: L): L {
  // `EventEmitter` itself refuses a listener that is no function.
  if (typeof listener !== "function") return listener;
  const own = listener as unknown as Listener;
  // `EventEmitter` removes a listener of `once` by its guard.
  if (guarded.has(own)) return listener;
  let guard = guards.get(own);
  if (guard === undefined) {
    guard = function (this: unknown, ...args) {
      try {
        return own.apply(this, args);
      } catch (error) {
        return rethrow(error);
      }
    };
    guards.set(own, guard);
    guarded.set(guard, own);
  }
  return guard as unknown as L;
}

interface Early {
  readonly event: unknown;
  args: readonly unknown[];
}

interface Range {
  /** Node of the service, if a group emits the range. */
  readonly node?: string;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

function isRange(it: unknown): it is Range {
  return typeof it === "object" && it !== null && "from" in it && "to" in it && "reason" in it;
}

/**
 * Joins two ranges if the second follows the first, with the same reason and node. Otherwise returns undefined. Before
 * the program has its subscription, the queue may drop a thousand updates one by one.
 */
function joinRanges(before: unknown, next: unknown): Range | undefined {
  if (!isRange(before) || !isRange(next)) return undefined;
  const follows = before.to + 1 === next.from && before.reason === next.reason && before.node === next.node;
  return follows ? { ...before, to: next.to } : undefined;
}

/**
 * An `EventEmitter` whose `emit` never throws. An exception of a listener reaches neither the other listeners nor the
 * caller of `emit`. The exception is thrown again in its own task, as an uncaught exception. Events from before anybody
 * can listen are emitted once somebody can.
 */
export class Emitter<Events extends object> extends EventEmitter<Events> {
  /** Events from before anybody could listen. Undefined once somebody can. */
  private early: Early[] | undefined;

  /** @internal The program does not have this emitter yet. Events of `tell` wait for `handOut`. */
  hold(): void {
    this.early = [];
  }

  /**
   * @internal The program receives this emitter within this task, and can add listeners. After the task the events that
   * wait are emitted.
   */
  handOut(): void {
    soon(() => {
      for (let next = this.early?.shift(); next !== undefined; next = this.early?.shift())
        this.emitAny(next.event, next.args);
      this.early = undefined;
      this.toldEarly();
    });
  }

  /** Called when all events that waited have been emitted. */
  protected toldEarly(): void {
    // Nothing has waited for it here.
  }

  /** @internal Whether events wait. They came before the updates, which wait until these events are emitted. */
  get hasEarly(): boolean {
    return this.early !== undefined && this.early.length > 0;
  }

  /** @internal Emits as `emit` does, but not before somebody can listen. */
  tell<K extends EventEmitter.EventNames<Events>>(
    event: K,
    ...args: EventEmitter.EventArgs<Events, K>
  ): void {
    const { early } = this;
    if (early === undefined) return this.emitAny(event, args);
    const last = early.at(-1);
    const joined = last?.event === event ? joinRanges(last.args[0], args[0]) : undefined;
    if (last !== undefined && joined !== undefined) last.args = [joined];
    else early.push({ event, args });
  }

  private emitAny(event: unknown, args: readonly unknown[]): void {
    type Event = EventEmitter.EventNames<Events>;
    this.emit(event as Event, ...(args as EventEmitter.EventArgs<Events, Event>));
  }

  override on<K extends EventEmitter.EventNames<Events>>(
    event: K,
    listener: EventEmitter.EventListener<Events, K>,
    context?: unknown,
  ): this {
    return super.on(event, guardOf(listener), context);
  }

  override addListener<K extends EventEmitter.EventNames<Events>>(
    event: K,
    listener: EventEmitter.EventListener<Events, K>,
    context?: unknown,
  ): this {
    return this.on(event, listener, context);
  }

  override once<K extends EventEmitter.EventNames<Events>>(
    event: K,
    listener: EventEmitter.EventListener<Events, K>,
    context?: unknown,
  ): this {
    return super.once(event, guardOf(listener), context);
  }

  override off<K extends EventEmitter.EventNames<Events>>(
    event: K,
    listener?: EventEmitter.EventListener<Events, K>,
    context?: unknown,
    once?: boolean,
  ): this {
    return super.removeListener(event, guardOf(listener), context, once);
  }

  override removeListener<K extends EventEmitter.EventNames<Events>>(
    event: K,
    listener?: EventEmitter.EventListener<Events, K>,
    context?: unknown,
    once?: boolean,
  ): this {
    return this.off(event, listener, context, once);
  }

  override listeners<K extends EventEmitter.EventNames<Events>>(
    event: K,
  ): EventEmitter.EventListener<Events, K>[] {
    const unwrap = (listener: unknown): unknown => guarded.get(listener as Listener) ?? listener;
    return super.listeners(event).map(unwrap) as EventEmitter.EventListener<Events, K>[];
  }
}

import { rethrow } from "@stanzapack/xmpp";
import { EventEmitter } from "eventemitter3";
import { soon } from "./soon.js";

type Listener = (...args: unknown[]) => unknown;

/** The same function gives the same guard, so that it can be removed again. */
const guards = new WeakMap<Listener, Listener>();
const guarded = new WeakMap<Listener, Listener>();

function guardOf<L>(listener: L): L {
  // What is no function EventEmitter refuses itself.
  if (typeof listener !== "function") return listener;
  const own = listener as unknown as Listener;
  // `EventEmitter` itself removes what is called once.
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
  /** Of a group's. */
  readonly node?: string;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

function isRange(it: unknown): it is Range {
  return typeof it === "object" && it !== null && "from" in it && "to" in it && "reason" in it;
}

/** A consumer that nobody has given its subscription may lose a thousand updates one by one. Undefined: they are no neighbours. */
function joinRanges(before: unknown, next: unknown): Range | undefined {
  if (!isRange(before) || !isRange(next)) return undefined;
  const follows = before.to + 1 === next.from && before.reason === next.reason && before.node === next.node;
  return follows ? { ...before, to: next.to } : undefined;
}

/**
 * An `EventEmitter` whose `emit` never throws: an exception of a listener reaches neither the other listeners nor whoever emits. It is
 * thrown again in a task of its own, as an uncaught exception. What happens before anybody can listen is told when somebody can.
 */
export class Emitter<Events extends object> extends EventEmitter<Events> {
  /** What happened before anybody could listen. Undefined: somebody can. */
  private early: Early[] | undefined;

  /** @internal Nobody has it yet: what is told waits for `handOut`. */
  hold(): void {
    this.early = [];
  }

  /** @internal Whoever asked for it has it within this task, and can add listeners: after it they are told what happened before. */
  handOut(): void {
    soon(() => {
      for (let next = this.early?.shift(); next !== undefined; next = this.early?.shift())
        this.emitAny(next.event, next.args);
      this.early = undefined;
      this.toldEarly();
    });
  }

  /** All of that was told. */
  protected toldEarly(): void {
    // Nothing has waited for it here.
  }

  /** @internal Updates wait until this was told, which came first. */
  get hasEarly(): boolean {
    return this.early !== undefined && this.early.length > 0;
  }

  /** @internal As `emit`, but not before somebody can listen. */
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

import { rethrow } from "@stanzapack/xmpp";
import { EventEmitter } from "eventemitter3";

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

/**
 * An `EventEmitter` whose `emit` never throws: an exception of a listener reaches neither the other listeners nor whoever emits. It is
 * thrown again in a task of its own, as an uncaught exception.
 */
export class Emitter<Events extends object> extends EventEmitter<Events> {
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

import { StanzapackError } from "@stanzapack/wire";
import type { EventEmitter } from "eventemitter3";
import { Emitter } from "../base/emitter.js";

/**
 * Emits `update` to its listeners; while there is none, updates wait for one, or for an iteration. However a listener is added, it gets
 * what waits first, and before that what happened while nobody could listen.
 */
export abstract class UpdateEmitter<Events extends object> extends Emitter<Events> {
  /** @internal A listener for `update` was added: it takes over from iterations, and gets what waits. */
  protected abstract handOver(): void;

  protected override toldEarly(): void {
    if (this.listenerCount("update" as EventEmitter.EventNames<Events>) > 0) this.handOver();
  }

  override on<K extends EventEmitter.EventNames<Events>>(
    event: K,
    listener: EventEmitter.EventListener<Events, K>,
    context?: unknown,
  ): this {
    super.on(event, listener, context);
    return this.added(event);
  }

  /** One for `update` gets one update; what waits behind that goes on waiting. */
  override once<K extends EventEmitter.EventNames<Events>>(
    event: K,
    listener: EventEmitter.EventListener<Events, K>,
    context?: unknown,
  ): this {
    super.once(event, listener, context);
    return this.added(event);
  }

  private added(event: unknown): this {
    if (event === "update" && !this.hasEarly) this.handOver();
    return this;
  }
}

/** Why an iteration gets nothing. */
export function listenedTo(what: string): StanzapackError {
  return new StanzapackError(
    "usage",
    `${what} has a listener for \`update\`, which gets every update: remove the listener before you iterate`,
    { scope: "subscription" },
  );
}

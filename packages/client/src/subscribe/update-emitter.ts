import { StanzapackError } from "@stanzapack/wire";
import type { EventEmitter } from "eventemitter3";
import { Emitter } from "../base/emitter.js";

/**
 * Emits `update` to its listeners. Without a listener, updates wait for a listener, or for an iteration. Events from
 * before anybody could listen are emitted first. Then a new listener receives the updates that wait, and then new ones.
 */
export abstract class UpdateEmitter<Events extends object> extends Emitter<Events> {
  /** @internal A listener for `update` was added. It takes over from iterations, and receives the waiting updates. */
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

  /** A listener for `update` receives one update. The updates behind it continue to wait. */
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

/** Returns the error of an iteration while `update` has a listener. */
export function listenedTo(what: string): StanzapackError {
  return new StanzapackError(
    "usage",
    `${what} has a listener for \`update\`, which receives every update: remove the listener before you iterate`,
    { scope: "subscription" },
  );
}

/** Returns the error of an iteration over a map. */
export function noUpdates(node: string): StanzapackError {
  return new StanzapackError(
    "usage",
    `\`${node}\` is a map, which has no updates to iterate: use \`map\`, and listen to \`change\``,
    { scope: "subscription" },
  );
}

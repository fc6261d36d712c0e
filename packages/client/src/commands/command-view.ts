import type { Value } from "@stanzapack/wire";
import { rethrow } from "@stanzapack/xmpp";
import { Emitter } from "../base/emitter.js";
import type { MapChangeEvent } from "../subscribe/map-replica.js";
import type { Subscription } from "../subscribe/subscription.js";
import { LayeredMap } from "./layered-map.js";
import type { Overlay, Slot } from "./overlay.js";

export interface CommandViewEvents<T> {
  /** `map` shows another value of a key: the publisher changed it, or an expected change was added or taken back. */
  change: (event: MapChangeEvent<T>) => void;
}

/** A map as it is expected to be when all commands have run. `subscription.map` stays as the publisher says. */
export class CommandView<T = Value> extends Emitter<CommandViewEvents<T>> {
  /** The publisher's map, with the changes of commands above it. It lives as long as the subscription and the queue. */
  readonly map: ReadonlyMap<string, T>;
  /** Changes of commands, after `parse`. */
  private readonly parsed = new WeakMap<Slot, { readonly value: T | undefined }>();
  private readonly parse: (value: Value) => T;

  /** Use `commands.view`. */
  constructor(...none: [never, ...never[]]);
  /** @internal */
  constructor(subscription: Subscription<T>, overlay: Overlay);
  constructor(
    private readonly subscription: Subscription<T>,
    overlay: Overlay,
  ) {
    super();
    this.parse = (value) => subscription.parsed(value);
    this.map = new LayeredMap(
      () => subscription.map,
      (key) => this.read(overlay.shown(key)),
      () => overlay.keys(),
    );
    const listener = (changes: readonly MapChangeEvent<Value>[]): void => this.tellOf(changes);
    overlay.listeners.add(listener);
    subscription.once("ended", () => overlay.listeners.delete(listener));
  }

  /** Returns a change as the program reads it. A value that `parse` refuses is not shown. */
  private read(slot: Slot | undefined): { readonly value: T | undefined } | undefined {
    if (slot === undefined) return undefined;
    let parsed = this.parsed.get(slot);
    if (parsed === undefined) {
      try {
        parsed = { value: slot.value === undefined ? undefined : this.parse(slot.value) };
      } catch (error) {
        rethrow(error);
        parsed = { value: undefined };
      }
      this.parsed.set(slot, parsed);
    }
    return parsed;
  }

  private tellOf(changes: readonly MapChangeEvent<Value>[]): void {
    if (this.subscription.ended || this.listenerCount("change") === 0) return;
    for (const { key, value, previous } of changes) {
      const event = {
        ...{ key, value: this.read(value === undefined ? undefined : { value })?.value },
        previous: this.read(previous === undefined ? undefined : { value: previous })?.value,
      };
      this.emit("change", event);
    }
  }
}

import { warn } from "./warn.node.js";

/** Listeners by event name. When one listener throws, the others are called all the same. */
export interface Listeners<Events> {
  on<K extends keyof Events>(event: K, listener: Events[K]): () => void;
  emit<K extends keyof Events>(
    event: K,
    ...args: Events[K] extends (...args: infer A) => void ? A : never
  ): void;
}

export function createListeners<Events>(): Listeners<Events> {
  const byEvent = new Map<keyof Events, Set<unknown>>();
  return {
    on(event, listener) {
      const set = byEvent.get(event) ?? new Set();
      byEvent.set(event, set);
      // A wrapper, so that a function that is added twice is two listeners.
      const entry = { listener };
      set.add(entry);
      return () => void set.delete(entry);
    },
    emit(event, ...args) {
      for (const entry of [...(byEvent.get(event) ?? [])]) {
        callGuarded(`a listener of "${String(event)}"`, () =>
          (entry as { listener: (...args: unknown[]) => unknown }).listener(...args),
        );
      }
    },
  };
}

/**
 * Calls a function of the application. Returns its result, or `undefined` when it threw. Its error, or the rejection of
 * a promise that it returned, becomes a warning: a `StanzapackWarning` on Node, a warning of the console in browsers.
 * `callGuarded` itself never throws.
 */
export function callGuarded(what: string, call: () => unknown): unknown {
  try {
    const result = call();
    if (isThenable(result))
      Promise.resolve(result).catch((error: unknown) => {
        warn(`${what} failed`, error);
      });
    return result;
  } catch (error) {
    warn(`${what} failed`, error);
    return undefined;
  }
}

/** Whether `value` has a method `then`, as promises of other realms and libraries have too. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}

import { warn } from "./warn.node.js";

/** Listeners by event name; one that throws does not keep the others from hearing. */
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
      // A wrapper, so that the same function given twice is two listeners.
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
 * Calls a function of the application and gives what it returned; `undefined` when it threw. What it throws, and what a promise of it
 * rejects with, becomes a warning (`StanzapackWarning` on Node, the console's in browsers) and reaches nobody else.
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

/** Promises of other realms and libraries too. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}

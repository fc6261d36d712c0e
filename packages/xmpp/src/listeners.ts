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
        try {
          (entry as { listener: (...args: unknown[]) => void }).listener(...args);
        } catch (error) {
          warn(`a listener of "${String(event)}" failed`, error);
        }
      }
    },
  };
}

/**
 * Throws what the application threw once more, in a task of its own, where no stanza, link or other listener is at stake. It is an uncaught
 * exception then, as with Node's `EventEmitter`: Node emits `uncaughtException`, and a page gets its `error` event by `reportError`.
 */
export function rethrow(error: unknown): void {
  const { reportError } = globalThis as { reportError?: (error: unknown) => void };
  if (typeof reportError === "function") return reportError(error);
  setTimeout(() => {
    throw error;
  }, 0);
}

/** Calls a function of the application. What it throws is an uncaught exception: see `rethrow`. */
export function callSafely<A extends readonly unknown[]>(
  call: ((...args: A) => unknown) | undefined,
  ...args: A
): void {
  try {
    call?.(...args);
  } catch (error) {
    rethrow(error);
  }
}

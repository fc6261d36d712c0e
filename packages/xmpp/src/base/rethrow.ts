/**
 * Throws an error of the application again, in a task of its own. So the error disturbs no stanza, link or other
 * listener. It becomes an uncaught exception, as with Node's `EventEmitter`: Node emits `uncaughtException`. A page
 * receives its `error` event, by `reportError`.
 */
export function rethrow(error: unknown): void {
  const { reportError } = globalThis as { reportError?: (error: unknown) => void };
  if (typeof reportError === "function") return reportError(error);
  setTimeout(() => {
    throw error;
  }, 0);
}

/** Calls a function of the application. An error that it throws becomes an uncaught exception: see `rethrow`. */
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

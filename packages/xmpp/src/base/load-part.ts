import { XmppError } from "./errors.js";

/**
 * Waits for a part of this package that few programs need. The browser build fetches the part on demand. Rejects with
 * `XmppError` (`unreachable`) when the part cannot be loaded. Rejects with the signal's reason as soon as the signal
 * aborts, although the `import()` itself cannot be stopped.
 */
export function loadPart<T>(part: Promise<T>, name: string, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    part
      .then(resolve, (cause: unknown) => {
        reject(new XmppError("unreachable", `the program's part for ${name} cannot be loaded`, { cause }));
      })
      .finally(() => {
        signal.removeEventListener("abort", onAbort);
      });
  });
}

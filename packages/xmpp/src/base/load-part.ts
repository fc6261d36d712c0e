import { XmppError } from "./errors.js";

/**
 * A part of this package that few need: the browser build fetches it when it is asked for. Rejects with `XmppError` when it
 * cannot be had, and with the signal's reason at once, since an `import()` itself cannot be broken off.
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

import { StanzapackError } from "@stanzapack/wire";

/** SIGINT, SIGTERM and SIGHUP as an abort signal. A second one ends the process at once, with exit code 1. */
export interface Interruption {
  readonly signal: AbortSignal;
}

/** SIGHUP means that the terminal was closed. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Interval at which a process that npm started checks its parent, in ms. */
const ORPHAN_POLL_MS = 250;

/** Runs `work` until it ends. An error with which `work` gives up because of the interruption is not a failure. */
export async function interruptible(
  work: (interruption: Interruption) => Promise<void>,
  signals: readonly NodeJS.Signals[] = SIGNALS,
): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  const handle = (): void => {
    if (signal.aborted) process.exit(1);
    controller.abort();
  };
  for (const name of signals) process.on(name, handle);
  const stopWatching = whenOrphaned(() => controller.abort());
  try {
    await work({ signal });
  } catch (error) {
    if (!signal.aborted || !isAbort(error, signal)) throw error;
  } finally {
    stopWatching();
    for (const name of signals) process.off(name, handle);
  }
}

/**
 * Calls `act` when the parent of a process that npm started has ended. `npx` sends SIGTERM to the shell between itself
 * and this process; the shell ends without a signal to this process. Returns a function that ends the watch.
 */
function whenOrphaned(act: () => void): () => void {
  if (process.env["npm_lifecycle_event"] === undefined) return () => undefined;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid !== parent) act();
  }, ORPHAN_POLL_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  return (
    error === signal.reason ||
    (error instanceof StanzapackError && (error.code === "aborted" || error.code === "stopped")) ||
    (error instanceof Error && error.name === "AbortError")
  );
}

/** Returns what ends a command that prints: the interruption, or the reader of stdout who closes it, as `| head` does. */
export function endOfPrinting({ signal }: Interruption): AbortController {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  signal.addEventListener("abort", end);
  process.stdout.once("error", end).once("close", end);
  return ending;
}

/** Resolves when `signal` fires. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

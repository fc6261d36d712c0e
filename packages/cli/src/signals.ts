/** SIGINT and SIGTERM as an abort signal; a second one ends the process at once, with exit code 1. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** Gives the signals back to Node's own handling. */
  dispose(): void;
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

export function onInterruption(): Interruption {
  const controller = new AbortController();
  const handle = (): void => {
    if (controller.signal.aborted) process.exit(1);
    controller.abort();
  };
  for (const name of SIGNALS) process.on(name, handle);
  return {
    signal: controller.signal,
    dispose() {
      for (const name of SIGNALS) process.off(name, handle);
    },
  };
}

/** Resolves when `signal` fires. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

import type { ReconnectPolicy } from "./connection.js";

/** Resolves after so many ms, or at once when the signal aborts; leaves no timer behind. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish, { once: true });
  });
}

/**
 * Full jitter: anything between nothing and the doubled delay, so that those who lost a server together do not
 * come back together. `failures` counts from 0; `random` is in [0, 1).
 */
export function backoffMs(policy: ReconnectPolicy, failures: number, random: number): number {
  return random * Math.min(policy.maxMs, policy.minMs * 2 ** Math.min(failures, 30));
}

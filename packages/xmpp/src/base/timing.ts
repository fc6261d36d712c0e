export interface ReconnectPolicy {
  /** First delay, in ms. It doubles with each attempt, with full jitter. Default 500. */
  readonly minMs: number;
  /** Largest delay, in ms. Default 10,000: every client is connected again within 30 s of a fault's end. */
  readonly maxMs: number;
}

/** Resolves after `ms`, or at once when the signal aborts. Leaves no timer behind. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const sleepers = sleepersOf(signal);
    const finish = (): void => {
      clearTimeout(timer);
      sleepers.delete(finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    sleepers.add(finish);
  });
}

/** All sleepers of a signal share one listener. Node warns the user of a leak when a signal has more than ten. */
const sleeping = new WeakMap<AbortSignal, Set<() => void>>();

function sleepersOf(signal: AbortSignal): Set<() => void> {
  const known = sleeping.get(signal);
  if (known !== undefined) return known;
  const sleepers = new Set<() => void>();
  sleeping.set(signal, sleepers);
  const wake = (): void => {
    for (const finish of sleepers) finish();
  };
  signal.addEventListener("abort", wake, { once: true });
  return sleepers;
}

/**
 * The delay before the next attempt, in ms. Full jitter: a random part of the doubled delay, so that clients that lost
 * a server together do not reconnect together. `failures` counts from 0; `random` is in [0, 1).
 */
export function backoffMs(policy: ReconnectPolicy, failures: number, random: number): number {
  return random * Math.min(policy.maxMs, policy.minMs * 2 ** Math.min(failures, 30));
}

/** Rejects with the signal's reason when the signal aborts. For races only: it never resolves. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason as Error);
    });
  });
}

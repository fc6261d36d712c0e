// Kept before a test replaces it by a fake.
const setRealTimeout = setTimeout;
const now = performance.now.bind(performance);

/** Factor by which a wait may exceed the time on an idle machine. */
const PATIENCE = 10;
/**
 * Longest wait that `PATIENCE` may cause, in ms. So a test fails before its own deadline, and says what did not happen.
 */
const MAX_PATIENCE_MS = 60_000;

/**
 * Resolves when `condition` holds. `normalMs` is the longest time that an idle machine needs. Rejects with `what` after
 * ten times `normalMs`, but after at most a minute, unless `normalMs` is longer. Polls every 20 ms of real time, even
 * if a test fakes the clock.
 */
export async function until(condition: () => boolean, normalMs: number, what: string): Promise<void> {
  const withinMs = Math.max(normalMs, Math.min(PATIENCE * normalMs, MAX_PATIENCE_MS));
  const end = now() + withinMs;
  while (!condition()) {
    if (now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setRealTimeout(resolve, 20));
  }
}

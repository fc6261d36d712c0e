// Kept before any test fakes it.
const setRealTimeout = setTimeout;
const now = performance.now.bind(performance);

/** How many times as long as it takes on an idle machine. */
const PATIENCE = 10;
/** What patience comes to at most, in ms: a test is to end before its own deadline, and say what did not happen. */
const MAX_PATIENCE_MS = 60_000;

/**
 * Resolves when `condition` holds. `normalMs` is what an idle machine needs at most; rejects with `what` after ten times as long, or after a
 * minute if that is less but not less than `normalMs`. Polls every 20 ms, whatever clock a test fakes.
 */
export async function until(condition: () => boolean, normalMs: number, what: string): Promise<void> {
  const withinMs = Math.max(normalMs, Math.min(PATIENCE * normalMs, MAX_PATIENCE_MS));
  const end = now() + withinMs;
  while (!condition()) {
    if (now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setRealTimeout(resolve, 20));
  }
}

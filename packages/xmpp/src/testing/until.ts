// Kept before any test fakes it.
const setRealTimeout = setTimeout;
const now = performance.now.bind(performance);

/** Waits until a condition holds, whatever clock a test fakes; throws after so many ms, which only a failure takes: a busy machine is slow. */
export async function until(condition: () => boolean, withinMs = 30_000): Promise<void> {
  const end = now() + withinMs;
  while (!condition()) {
    if (now() > end) throw new Error(`did not happen within ${String(withinMs)} ms`);
    await new Promise((resolve) => setRealTimeout(resolve, 2));
  }
}

/**
 * Resolves when every timer set so far for at most `ms` has fired and what it wrote to loopback has been read: a barrier before a test
 * says that nothing came. Node fires timers in the order of their times, so a busy machine changes nothing.
 */
export async function afterTimers(ms: number): Promise<void> {
  await new Promise((resolve) => setRealTimeout(resolve, ms + 1));
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

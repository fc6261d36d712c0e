// Stored before any test replaces the timers.
const setRealTimeout = setTimeout;
const now = performance.now.bind(performance);

/**
 * Waits until a condition holds, even when a test fakes the clock. Throws after `withinMs`. The default is long, for
 * busy machines; only a failure takes this long.
 */
export async function until(condition: () => boolean, withinMs = 30_000): Promise<void> {
  const end = now() + withinMs;
  while (!condition()) {
    if (now() > end) throw new Error(`did not happen within ${String(withinMs)} ms`);
    await new Promise((resolve) => setRealTimeout(resolve, 2));
  }
}

/**
 * Resolves when every timer set so far for at most `ms` has fired, and the data that it wrote to loopback have been
 * read. A test calls it before it checks that nothing has arrived. Node fires timers in the order of their times, so a
 * busy machine changes nothing.
 */
export async function afterTimers(ms: number): Promise<void> {
  await new Promise((resolve) => setRealTimeout(resolve, ms + 1));
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

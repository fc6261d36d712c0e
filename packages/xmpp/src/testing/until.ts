/** Waits until a condition holds; throws after so many ms. */
export async function until(condition: () => boolean, withinMs = 5_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`did not happen within ${String(withinMs)} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

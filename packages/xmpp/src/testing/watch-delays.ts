import { onTestFinished, vi } from "vitest";

/**
 * Watches timers. Returns a function that lists the requested delays since this call, in ms. So a busy machine does not
 * change the result.
 */
export function watchDelays(): () => number[] {
  const spy = vi.spyOn(globalThis, "setTimeout");
  onTestFinished(() => {
    spy.mockRestore();
  });
  return () => spy.mock.calls.map(([, ms]) => ms ?? 0);
}

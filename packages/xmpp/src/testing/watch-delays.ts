import { onTestFinished, vi } from "vitest";

/** Gives the delays, in ms, that timers were asked for since this call. What a busy machine makes of them is not counted. */
export function watchDelays(): () => number[] {
  const spy = vi.spyOn(globalThis, "setTimeout");
  onTestFinished(() => {
    spy.mockRestore();
  });
  return () => spy.mock.calls.map(([, ms]) => ms ?? 0);
}

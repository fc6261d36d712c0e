import type { Later } from "../base/later.js";

/** Returns a result that a test expects to be known at once. */
export function known<T>(result: Later<T>): T {
  if (result instanceof Promise) throw new Error("the result is not known yet");
  return result;
}

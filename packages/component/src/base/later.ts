/** A result that is known now, or later: a store or another node may have to be asked first. */
export type Later<T> = T | Promise<T>;

/**
 * Continues with a result. A result that is known now is handled before the call returns, so a command that needs
 * nobody else keeps its place among other commands.
 */
export function whenKnown<T, R>(result: Later<T>, next: (value: T) => Later<R>): Later<R> {
  return result instanceof Promise ? result.then(next) : next(result);
}

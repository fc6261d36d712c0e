import { afterAll, expect } from "vitest";

// Unit test files of one worker share all modules and the event loop. A timer that a file leaves behind goes on in the
// next file: it takes time, and it counts among the timers there if that file fakes the clock. So a file fails that
// leaves one.

/** What the tests replace, and the state of the one worker. */
interface Globals {
  setTimeout: (run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => NodeJS.Timeout;
  setInterval: (run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => NodeJS.Timeout;
  clearTimeout: (timer: NodeJS.Timeout) => void;
  clearInterval: (timer: NodeJS.Timeout) => void;
  /** Timers that run, and where each was set. */
  stanzapackTimers?: Map<NodeJS.Timeout, Error>;
}

/** Time in which short timers may still end, in ms. */
const PATIENCE_MS = 2_000;
const POLL_MS = 5;

const globals = globalThis as unknown as Globals;
const timers = (globals.stanzapackTimers ??= watchTimers());

function watchTimers(): Map<NodeJS.Timeout, Error> {
  const running = new Map<NodeJS.Timeout, Error>();
  const {
    setTimeout: setOnce,
    setInterval: setOften,
    clearTimeout: clearOnce,
    clearInterval: clearOften,
  } = globals;
  const set: Globals["setTimeout"] = (run, ms, ...args) => {
    const end = (...given: unknown[]): void => {
      running.delete(timer);
      run(...given);
    };
    const timer = setOnce(end, ms, ...args);
    running.set(timer, new Error("set"));
    return timer;
  };
  // `promisify` finds the promise form there.
  Object.assign(set, setOnce);
  for (const symbol of Object.getOwnPropertySymbols(setOnce))
    Object.defineProperty(
      set,
      symbol,
      Object.getOwnPropertyDescriptor(setOnce, symbol) as PropertyDescriptor,
    );
  globals.setTimeout = set;
  globals.setInterval = (run, ms, ...args) => {
    const timer = setOften(run, ms, ...args);
    running.set(timer, new Error("set"));
    return timer;
  };
  globals.clearTimeout = (timer) => {
    running.delete(timer);
    clearOnce(timer);
  };
  globals.clearInterval = (timer) => {
    running.delete(timer);
    clearOften(timer);
  };
  return running;
}

/** Timers of ours that keep the process alive. Those of Node and Vitest are theirs. */
function leftOver(): string[] {
  return [...timers]
    .filter(([timer]) => timer.hasRef())
    .map(([, { stack = "" }]) => stack.split("\n").slice(2, 8).join("\n"))
    .filter(
      (stack) =>
        /\/(packages|vectors)\//.test(stack) && !/node:internal\/deps|\/(@vitest|vitest)\//.test(stack),
    );
}

afterAll(async () => {
  const { setTimeout: later } = globals;
  for (let waitedMs = 0; leftOver().length > 0 && waitedMs < PATIENCE_MS; waitedMs += POLL_MS)
    await new Promise((resolve) => later(resolve, POLL_MS));
  const left = leftOver();
  // The next file begins without them.
  timers.clear();
  expect(
    left.slice(0, 3),
    `${left.length} timers are left: stop what the tests of this file started`,
  ).toEqual([]);
});

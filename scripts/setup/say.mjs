// Everything that set-up says goes to stderr: stdout belongs to the program that it makes ready.

/** What stops set-up, said in one line that tells what to do; `details` go before it. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {string} [details] output of what failed
   */
  constructor(message, details = "") {
    super(message);
    this.details = details;
  }
}

/** @param {string} text */
export function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/**
 * Runs one step and says what and why before it, and how long it took after it.
 *
 * @param {string} what
 * @param {() => Promise<void>} act
 */
export async function step(what, act) {
  say(`${what} …`);
  const startedAt = performance.now();
  await act();
  say(`… done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}

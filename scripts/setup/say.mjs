// Set-up writes everything to stderr, since stdout belongs to the program that it prepares.

/** Stops the set-up. The message says in one line what to do; `details` stand before it. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {string} [details] Output of the command that failed.
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
 * Runs one step. Says before it what it does and why, and after it how long it took.
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

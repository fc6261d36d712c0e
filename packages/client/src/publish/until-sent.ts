import { monotonicNow } from "@stanzapack/xmpp";

/**
 * `stop` of a log waits this long after the last update that left, in ms, and `STOP_MAX_MS` in all, for updates that
 * are not sent yet.
 */
const STOP_MS = 5_000;
const STOP_MAX_MS = 60_000;
const STOP_POLL_MS = 20;

/**
 * Calls `flush` until `unsentCount` returns 0: no update waits for room. Gives up when none leaves any more. Never
 * rejects.
 */
export async function untilSent(flush: () => void, unsentCount: () => number): Promise<void> {
  flush();
  const end = monotonicNow() + STOP_MAX_MS;
  let giveUpAt = 0;
  let before = Infinity;
  for (let unsent = unsentCount(); unsent > 0; unsent = unsentCount()) {
    const now = monotonicNow();
    // A slow link, or a link that breaks and returns, sends all updates in the end.
    if (unsent < before) giveUpAt = Math.min(now + STOP_MS, end);
    else if (now >= giveUpAt) return;
    before = unsent;
    await new Promise((resolve) => setTimeout(resolve, STOP_POLL_MS));
    flush();
  }
}

/** Time between two questions what the component keeps, in ms. A disk takes a few of them. */
const KEPT_POLL_MS = 50;

/** Asks by `ask` what the component keeps, until `isDone`. */
export async function untilKept(ask: () => Promise<void>, isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    await ask();
    if (!isDone()) await new Promise((resolve) => setTimeout(resolve, KEPT_POLL_MS));
  }
}

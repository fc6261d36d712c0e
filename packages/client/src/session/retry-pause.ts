import { backoffMs, type ReconnectPolicy } from "@stanzapack/xmpp";

/** Pause before a link is opened again, or a request is made again. With full jitter. */
export const RETRY: ReconnectPolicy = { minMs: 250, maxMs: 5_000 };

/**
 * Takes the time that the component named, in ms, and the number of tries so far. Returns the pause before the next
 * try, in ms: never shorter than the time named, and a little longer by chance.
 */
export function pauseMs(retryAfterMs: number | undefined, tries: number): number {
  const backoff = backoffMs(RETRY, tries, Math.random());
  return retryAfterMs === undefined
    ? backoff
    : retryAfterMs + Math.random() * Math.min(200, retryAfterMs / 10) + backoff;
}

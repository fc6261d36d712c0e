import { UNLIST } from "./scripts.js";
import type { Send } from "./redis-link.js";

/** An entry of an index that names nothing stays for this time, in ms: what it names may be about to be written. */
const STALE_MS = 60_000;

/**
 * Removes entries of an index that name nothing, unless they are new. Their scores say when they were written. `now`:
 * in ms since 1970. Rejects with `RedisAway` or `store-failed`.
 */
export async function removeStale(
  send: Send,
  index: string,
  entries: readonly string[],
  now: number,
): Promise<void> {
  await Promise.all(
    entries.map(async (entry) => {
      const score = await send(["ZSCORE", index, entry]);
      if (score === null || Number(String(score)) > now - STALE_MS) return;
      await send(["EVALSHA", UNLIST.sha, "1", index, entry, String(score)]);
    }),
  );
}

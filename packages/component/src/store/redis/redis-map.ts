import { decodeMapEntry, encodeMapEntry, hashOfMapKey } from "../base/map-entries.js";
import { Overlay } from "../base/map-overlay.js";
import type { MapWrite, StoredEntry } from "../store.js";
import type { Reply, Send } from "./redis-link.js";

/** Entries that one step of a read brings, about. */
const STEP = 1_000;

/** Returns the arguments that write changes of a map: see `WRITE`. */
export function mapArguments(writes: readonly MapWrite[]): (string | Buffer)[] {
  const whole = new Overlay();
  for (const write of writes) whole.apply(write);
  const puts: Buffer[] = [];
  const removed: Buffer[] = [];
  for (const [key, entry] of whole.entries) {
    const field = Buffer.from(hashOfMapKey(key));
    if (entry === undefined) removed.push(field);
    else puts.push(field, Buffer.from(encodeMapEntry(entry)));
  }
  const counts = [String(puts.length / 2), String(removed.length)] as const;
  return [whole.cleared ? "1" : "0", counts[0], ...puts, counts[1], ...removed];
}

/** Reads all entries of a map. Rejects with `RedisAway` or `store-failed`. */
export async function readMap(send: Send, key: string): Promise<StoredEntry[]> {
  // HSCAN may return an entry twice.
  const entries = new Map<string, StoredEntry>();
  let cursor = "0";
  do {
    const [next, list] = (await send(["HSCAN", key, cursor, "COUNT", String(STEP)])) as readonly Reply[];
    for (let i = 1, items = list as readonly Buffer[]; i < items.length; i += 2) {
      const entry = decodeMapEntry(items[i] as Buffer);
      entries.set(entry.key, entry);
    }
    cursor = String(next);
  } while (cursor !== "0");
  return [...entries.values()];
}

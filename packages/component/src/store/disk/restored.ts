import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Engine, Write } from "./engine.js";
import { tableRange } from "./keys.js";
import { decodeRecord, encodeRecord, type Head, type PastEpoch } from "../base/records.js";

/** Name of the file that marks a store as an older copy. `copy-store.mjs` and operators write it. */
const MARK = "restored";
/** Most by which an epoch grows. The store that was copied may have had later lives of a service, and later copies. */
const MAX_STEP = 1_048_576;

/**
 * If the directory `location` has the file `restored`, gives each service of the store a greater epoch, and removes the
 * file. Subscribers may have had updates that the copy does not have, and an offset never means two things. Resolves to
 * the number of services, or to undefined without the file. `chance`: from 0 up to 1.
 */
export async function renewRestored(
  engine: Engine,
  location: string,
  chance: () => number = Math.random,
): Promise<number | undefined> {
  const mark = join(location, MARK);
  if (!existsSync(mark)) return undefined;
  const step = 1 + Math.floor(chance() * MAX_STEP);
  const writes: Write[] = [];
  const counts = { head: 0, epoch: 0 };
  // A service that was deleted before the copy may have had a later life too.
  for (const table of ["head", "epoch"] as const) {
    const { from, to } = tableRange(table);
    for (const { key, value } of engine.range(from, to)) {
      // A damaged record is reported when the store is loaded.
      if (value === undefined) continue;
      const record = decodeRecord<Head | PastEpoch>(value);
      writes.push({ key, value: encodeRecord({ ...record, epoch: record.epoch + step }) });
      counts[table]++;
    }
  }
  await engine.commit(writes);
  // After a crash before this line, the epochs grow once more.
  rmSync(mark);
  return counts.head;
}

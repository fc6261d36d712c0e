import { wallNow } from "@stanzapack/xmpp";
import type { MemoryJournal } from "../store/memory/memory-journal.js";
import type { StoredService } from "../store/store.js";
import type { LogShelf } from "./log.js";

/** A log in memory. */
export function memoryShelf(journal: MemoryJournal): LogShelf {
  return {
    journal,
    append: (_service, { from, to, rows, ats }) => journal.append(from, to, rows.map(copyOf), ats, wallNow()),
    trim: (now) => journal.trim(now),
    clear: () => journal.clear(),
  };
}

/** A log in the component's store. */
export function storedShelf(stored: StoredService): LogShelf {
  return {
    journal: stored.journal,
    append: ({ record }, { from, to, rows, ats }) =>
      stored.write({
        append: { from, to, rows: rows.map(copyOf), ats, cameAt: wallNow() },
        incarnations: record.incarnations.listAsStored(),
      }),
    // The store trims its journals itself.
    trim: () => undefined,
    clear: () => {
      const deleted = stored.delete();
      // The record says that the log is withdrawn. If this fails, the next start deletes the log.
      if (deleted instanceof Promise) deleted.catch(() => undefined);
      return deleted;
    },
  };
}

/** Rows are views that would keep their whole block alive. */
function copyOf(row: Uint8Array): Uint8Array {
  return row.slice();
}

import { weighMapEntry } from "@stanzapack/wire";
import type { MapWrite, StoredEntry } from "../store.js";

/** Entries by key. Undefined: the key is forgotten. `cleared`: entries from before are gone. */
export class Overlay {
  cleared = false;
  readonly entries = new Map<string, StoredEntry | undefined>();
  bytes = 0;

  apply(write: MapWrite): void {
    if (write.type === "clear") {
      this.cleared = true;
      this.entries.clear();
      this.bytes = 0;
    } else if (write.type === "put") this.set(write.entry.key, write.entry);
    else this.set(write.key, undefined);
  }

  /** Takes a newer overlay. */
  merge({ cleared, entries }: Overlay): void {
    if (cleared) this.apply({ type: "clear" });
    for (const [key, entry] of entries) this.set(key, entry);
  }

  private set(key: string, entry: StoredEntry | undefined): void {
    this.bytes += bytesOf(key, entry) - (this.entries.has(key) ? bytesOf(key, this.entries.get(key)) : 0);
    this.entries.set(key, entry);
  }
}

function bytesOf(key: string, entry: StoredEntry | undefined): number {
  return weighMapEntry(key, entry?.value);
}

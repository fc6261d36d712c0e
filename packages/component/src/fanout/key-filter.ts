import { decodeMapUpdate, DEFAULT_LIMITS, encodeMapUpdate } from "@stanzapack/wire";

/** The keys of a map that a selection takes. */
export class KeyFilter {
  /** The last row that was taken is a part of an update. Its subscribers wait for the end of the update. */
  private isOpen = false;

  constructor(private readonly takes: (key: string) => boolean) {}

  /** Returns the row of an update with the taken keys alone. Undefined: nothing of it concerns the subscribers. */
  take(row: Uint8Array): Uint8Array | undefined {
    const { changes, continues } = decodeMapUpdate(row, DEFAULT_LIMITS);
    const taken = changes.filter((change) => change.type === "clear" || this.takes(change.key));
    if (taken.length === 0 && !this.isOpen) return undefined;
    this.isOpen = continues;
    return taken.length === changes.length
      ? row
      : encodeMapUpdate({ changes: taken, continues }, DEFAULT_LIMITS);
  }
}

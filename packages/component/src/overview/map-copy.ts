import { DEFAULT_LIMITS, encodeMapRows, encodeUpdate, type MapChange } from "@stanzapack/wire";

/** What a map of the component's own has been told, to find out what has changed. */
export class MapCopy {
  private readonly told = new Map<string, Uint8Array>();
  /** Nothing was told yet. Subscribers may still have what the component told before it restarted. */
  private isNew = true;

  /** Returns the rows that make the map equal to `wanted`. None: it is equal. */
  update(wanted: ReadonlyMap<string, object>): Uint8Array[] {
    const changes: MapChange[] = this.isNew ? [{ type: "clear" }] : [];
    this.isNew = false;
    for (const key of this.told.keys()) if (!wanted.has(key)) changes.push({ type: "delete", key });
    for (const change of changes) if (change.type === "delete") this.told.delete(change.key);
    for (const [key, value] of wanted) {
      const packed = encodeUpdate(value, DEFAULT_LIMITS);
      const before = this.told.get(key);
      if (before !== undefined && Buffer.compare(before, packed) === 0) continue;
      this.told.set(key, packed);
      changes.push({ type: "set", key, value: packed });
    }
    return changes.length === 0 ? [] : encodeMapRows(changes, DEFAULT_LIMITS);
  }

  /** Returns the rows that empty the map. None: it is empty, or nothing was told. */
  empty(): Uint8Array[] {
    return this.isNew ? [] : this.update(new Map());
  }

  /** The map has been lost: the next update tells everything. */
  forget(): void {
    this.told.clear();
    this.isNew = true;
  }
}

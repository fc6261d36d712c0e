import type { Batch, Committer, Writer } from "./committer.js";
import type { Engine, Write } from "./engine.js";
import { entriesFrom, mapRange, numberIn, numberKey, tableRange } from "./keys.js";
import { decodeRecord, type PastEpoch } from "../base/records.js";

/** Entries of deleted services that one commit removes. */
const REMOVED_AT_ONCE = 5_000;
/** Old epochs that one call of `expire` looks at. */
const LOOKED_AT = 1_000;

/** Removes old epochs, and the journals and maps of deleted services piece by piece. */
export class Janitor implements Writer {
  private readonly removals: number[];
  private expired: Uint8Array[] = [];
  private next: Uint8Array | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly committer: Committer,
  ) {
    const { from, to } = tableRange("removal");
    this.removals = [...engine.range(from, to)].map(({ key }) => numberIn(key));
    if (this.removals.length > 0) committer.later(this);
  }

  /** Removes the journal and the map of a deleted service. */
  remove(number: number): void {
    this.removals.push(number);
    this.committer.later(this);
  }

  /** Forgets some epochs of services that were deleted before `before`, in ms since 1970. */
  expire(before: number): void {
    const { from, to } = tableRange("epoch");
    const items = [...this.engine.range(this.next ?? from, to, { limit: LOOKED_AT })];
    const last = items.at(-1)?.key;
    this.next =
      last !== undefined && items.length === LOOKED_AT ? Buffer.concat([last, Uint8Array.of(0)]) : undefined;
    this.expired = items
      .filter(({ value }) => value !== undefined && decodeRecord<PastEpoch>(value).at < before)
      .map(({ key }) => key);
    if (this.expired.length > 0) this.committer.later(this);
  }

  prepare(): Batch | undefined {
    const writes: Write[] = this.expired.splice(0).map((key) => ({ key, value: undefined }));
    const [number] = this.removals;
    let finished = false;
    if (number !== undefined) {
      const entries = [entriesFrom(number, 0), mapRange(number)].flatMap(({ from, to }) => [
        ...this.engine.range(from, to, { limit: REMOVED_AT_ONCE }),
      ]);
      for (const { key } of entries) writes.push({ key, value: undefined });
      finished = entries.length < REMOVED_AT_ONCE;
      if (finished) writes.push({ key: numberKey("removal", number), value: undefined });
    }
    if (writes.length === 0) return undefined;
    return {
      writes,
      done: () => {
        if (finished) this.removals.shift();
        if (this.removals.length > 0) this.committer.later(this);
      },
      failed: () => this.committer.later(this),
    };
  }
}

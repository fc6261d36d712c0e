import { createHash } from "node:crypto";

/**
 * A value's identity: 48 bits of the SHA-1 of its JSON. So the values need no mark of their own, which would be bytes
 * that no user sends.
 */
export function hashJson(json: string): number {
  return createHash("sha1").update(json).digest().readUIntBE(0, 6);
}

/** The values that the publisher's process published, in order. Eight bytes a value: a day at ten a second is 7 MB. */
export class PublishedLog {
  readonly hashes: number[] = [];

  add(hash: number): void {
    this.hashes.push(hash);
  }
}

export interface DeliveryCount {
  /** Number published from the first value that arrived to the last, both included. */
  readonly updates: number;
  /** Number among them that neither arrived nor were reported as conflated. */
  readonly lost: number;
}

interface Arrival {
  readonly hash: number;
  readonly offset: number | undefined;
  readonly onMatch: ((logIndex: number) => void) | undefined;
}

/**
 * Compares the values that one consumer of one service received with the published values. Both are in the order of
 * publishing. So each received value is sought in the log after the value before it, and the values between are lost.
 * If a value repeats, the nearest counts. A value with an offset is not sought, since offsets count as publishing does:
 * two offsets say how far apart their values are in the log. If the value is not at its place, it counts as lost.
 */
export class Delivery {
  private readonly waiting: Arrival[] = [];
  private first: number | undefined;
  private last = -1;
  /** Index at which the search for the head of `waiting` continues. */
  private sought = 0;
  /** Index in the log − offset. */
  private shift: number | undefined;
  private matched = 0;
  private conflatedCount = 0;

  constructor(private readonly log: PublishedLog) {}

  /**
   * Adds a received value. The log may learn of it later. `onMatch` is called with its index in the log, once it is
   * found.
   */
  receive(hash: number, offset?: number, onMatch?: (logIndex: number) => void): void {
    this.waiting.push({ hash, offset, onMatch });
    this.match(false);
  }

  /** Counts values that were left out on purpose before the next value. */
  conflate(count: number): void {
    this.conflatedCount += count;
  }

  /** `complete`: the log has everything that was published before the last value arrived. */
  count(complete: boolean): DeliveryCount {
    this.match(complete);
    const updates = this.first === undefined ? 0 : this.last - this.first + 1;
    return { updates, lost: updates - this.matched - this.conflatedCount };
  }

  private match(complete: boolean): void {
    for (let head = this.waiting[0]; head !== undefined; head = this.waiting[0]) {
      const index = this.find(head.hash, head.offset);
      if (index === undefined && !complete && !this.isRefuted(head.offset)) return;
      this.waiting.shift();
      this.sought = this.last + 1;
      if (index === undefined) continue;
      this.first ??= index;
      if (head.offset !== undefined) this.shift ??= index - head.offset;
      this.last = index;
      this.sought = index + 1;
      this.matched++;
      head.onMatch?.(index);
    }
  }

  private find(hash: number, offset: number | undefined): number | undefined {
    const { hashes } = this.log;
    if (offset !== undefined && this.shift !== undefined) {
      const index = offset + this.shift;
      return hashes[index] === hash ? index : undefined;
    }
    while (this.sought < hashes.length) if (hashes[this.sought++] === hash) return this.sought - 1;
    return undefined;
  }

  /** Whether the log has another value at this place, so that waiting is useless. */
  private isRefuted(offset: number | undefined): boolean {
    return offset !== undefined && this.shift !== undefined && offset + this.shift < this.log.hashes.length;
  }
}

import { createHash } from "node:crypto";

/**
 * A value's identity: 48 bits of its JSON's SHA-1, so that the values need not carry a mark of their own, which would be
 * bytes that no user sends.
 */
export function hashJson(json: string): number {
  return createHash("sha1").update(json).digest().readUIntBE(0, 6);
}

/** What the publisher's process published, in order. Eight bytes a value: a day of ten a second is 7 MB. */
export class PublishedLog {
  readonly hashes: number[] = [];

  add(hash: number): void {
    this.hashes.push(hash);
  }
}

export interface DeliveryCount {
  /** Published between the first and the last that came, both included. */
  readonly updates: number;
  /** Those among them that neither came nor were reported as conflated. */
  readonly lost: number;
}

interface Arrival {
  readonly hash: number;
  readonly offset: number | undefined;
  readonly onMatch: ((logIndex: number) => void) | undefined;
}

/**
 * Compares what one consumer of one service got with what was published. Both come in the order of publishing, so each
 * value that came is sought in the log behind the one before; what is passed over was lost. Where a value repeats, the
 * nearest counts. A value that came with an offset is not sought: offsets count as publishing does, so two of them tell
 * how far apart their values must lie, and a value that is not there counts as lost.
 */
export class Delivery {
  private readonly waiting: Arrival[] = [];
  private first: number | undefined;
  private last = -1;
  /** Where the search for the head of `waiting` goes on. */
  private sought = 0;
  /** Log index − offset. */
  private shift: number | undefined;
  private matched = 0;
  private conflatedCount = 0;

  constructor(private readonly log: PublishedLog) {}

  /** The log may learn of the value later than we do; `onMatch` is told its place there when it is found. */
  receive(hash: number, offset?: number, onMatch?: (logIndex: number) => void): void {
    this.waiting.push({ hash, offset, onMatch });
    this.match(false);
  }

  /** So many values were left out on purpose before the next that comes. */
  conflate(count: number): void {
    this.conflatedCount += count;
  }

  /** `complete`: the log holds everything that was published before the last value came. */
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

  /** The log shows another value at this place: waiting for more of it is no use. */
  private isRefuted(offset: number | undefined): boolean {
    return offset !== undefined && this.shift !== undefined && offset + this.shift < this.log.hashes.length;
  }
}

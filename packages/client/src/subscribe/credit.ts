import type { SubscribeOptions } from "../options/subscribe-options.js";

/** Default of `maxQueued`, in updates. */
export const MAX_QUEUED = 1_000;

/** Takes the options of a subscription. Returns its first credit, in rows, while nothing waits in its queue. */
export function initialCredit({
  maxQueued = MAX_QUEUED,
}: Pick<SubscribeOptions<unknown>, "maxQueued">): number {
  return Math.max(1, maxQueued);
}

/** What `update` listeners may be sent before they are asked: they read at once. */
const LISTENING_ROWS = 32_768;

/** What one that takes a subscription lets come: so many rows beyond those that it has read. */
export class ReaderCredit {
  /** Rows that came and were dropped while nobody read, and that give no credit: the consumer is stuck. */
  private stuck = 0;
  private droppedInARow = 0;

  constructor(
    /** Rows that may wait. */
    readonly maxQueued: number,
    private readonly queued: () => number,
    /** Whether it listens, and reads what comes at once. */
    private readonly listening: () => boolean,
  ) {}

  /** Rows that a BIND may begin with. */
  get room(): number {
    return (this.listening() ? LISTENING_ROWS : this.maxQueued) - this.queued();
  }
  /** Rows that may come now. */
  get due(): number {
    return this.room - this.stuck;
  }

  /** A new BIND counts from nothing. */
  begin(): void {
    this.stuck = 0;
  }

  /**
   * A row gave way to a newer row, which gives credit while the consumer reads. After a whole queue of dropped rows
   * without a read, dropped rows give none.
   */
  dropped(): void {
    if (this.droppedInARow < this.maxQueued) this.droppedInARow++;
    else this.stuck++;
  }

  /** The consumer reads. */
  read(): void {
    this.droppedInARow = this.stuck = 0;
  }
}

/**
 * The number of rows that the component may send of one subscription, as a total since its BIND. The quickest reader
 * decides, so that a slow reader delays no other.
 */
export class Credit {
  private received = 0;
  private told = 0;
  /** What the last BIND began with, or is to begin with. */
  private initial = 0;
  /** Its consumer's client has asked for it, on the link there is: it knows what the BIND begins with. */
  asked = false;

  constructor(private readonly readers: () => Iterable<ReaderCredit>) {}

  /** What is told already. */
  get total(): number {
    return this.told;
  }
  /** Rows that a BIND may begin with. */
  get room(): number {
    return Math.max(1, ...[...this.readers()].map(({ room }) => room));
  }
  /** The next BIND may begin with as many as the last one. */
  get fits(): boolean {
    return this.initial <= this.room;
  }

  /** A new BIND is asked for: the rows that it may begin with. */
  begin(total = this.room): number {
    this.asked = true;
    this.received = 0;
    for (const reader of this.readers()) reader.begin();
    return (this.told = this.initial = total);
  }

  /** A new BIND that begins with as many as the last one. */
  again(): void {
    this.begin(this.initial);
  }

  /** The component does not have it. */
  end(): void {
    this.asked = false;
  }

  came(rows: number): void {
    this.received += rows;
  }

  /**
   * Returns the total to send, if one is due: half of a queue is left of the credit, or three quarters if something
   * else is sent anyway (`along`).
   */
  due(along: boolean): number | undefined {
    let maxQueued = 0;
    let due = -Infinity;
    for (const reader of this.readers()) {
      maxQueued = Math.max(maxQueued, reader.maxQueued);
      due = Math.max(due, reader.due);
    }
    const left = this.told - this.received;
    const limit = this.received + due;
    const part = maxQueued / (along ? 4 : 2);
    if (left > maxQueued - part || limit - this.told < part) return undefined;
    return (this.told = limit);
  }
}

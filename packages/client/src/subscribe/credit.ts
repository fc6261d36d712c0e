import type { SubscribeOptions } from "../options/subscribe-options.js";
import type { CursorProgress } from "./cursor-progress.js";

/** Default of `maxQueued`, in updates. */
export const MAX_QUEUED = 1_000;

/** Takes the options of a subscription. Returns its first credit, in rows, while nothing waits in its queue. */
export function initialCredit({
  maxQueued = MAX_QUEUED,
}: Pick<SubscribeOptions<unknown>, "maxQueued">): number {
  return Math.max(1, maxQueued);
}

/** Credit while `update` has a listener, in rows. A listener reads each update at once. */
const LISTENING_ROWS = 32_768;

/** Credit of one reader: the number of rows that the component may send beyond those that the reader has read. */
export class ReaderCredit {
  /** Rows that were dropped while the consumer read nothing. They give no credit, because the consumer is stuck. */
  private stuck = 0;
  private droppedInARow = 0;

  constructor(
    /** Largest number of rows that may wait. */
    readonly maxQueued: number,
    private readonly queued: () => number,
    /** Whether `update` has a listener, which reads each update at once. */
    private readonly listening: () => boolean,
  ) {}

  /** Rows that a BIND may begin with. */
  get room(): number {
    return (this.listening() ? LISTENING_ROWS : this.maxQueued) - this.queued();
  }
  /** Rows that the component may send now. */
  get due(): number {
    return this.room - this.stuck;
  }

  /** A new BIND is asked for. Its credit counts from 0. */
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
  /** First credit of the last BIND, or of the BIND that is asked for, in rows. */
  private initial = 0;
  /** Whether the client has asked for the BIND on the current link, so that its first credit is known. */
  asked = false;

  constructor(
    private readonly readers: () => Iterable<ReaderCredit>,
    /** With a cursor, credit says how much the program has taken: so many rows are given more than at first. */
    private readonly progress: () => CursorProgress | undefined = () => undefined,
  ) {}

  /** Total that the component knows, in rows. */
  get total(): number {
    return this.told;
  }
  /** Rows that a BIND may begin with. */
  get room(): number {
    return Math.max(1, ...[...this.readers()].map(({ room }) => room));
  }
  /** Whether the next BIND may begin with as many rows as the last one. */
  get fits(): boolean {
    return this.initial <= this.room;
  }

  /** A new BIND is asked for. Returns the rows that it begins with. */
  begin(total = this.room): number {
    this.asked = true;
    this.received = 0;
    this.progress()?.begin();
    for (const reader of this.readers()) reader.begin();
    return (this.told = this.initial = total);
  }

  /** A new BIND is asked for, which begins with as many rows as the last one. */
  again(): void {
    this.begin(this.initial);
  }

  /** The component does not have the subscription any more. */
  end(): void {
    this.asked = false;
  }

  /** This many rows arrived. */
  came(rows: number): void {
    this.received += rows;
  }

  /**
   * Returns the total to send, if one is due: half of a queue is left of the credit, or three quarters if something
   * else is sent anyway (`along`).
   */
  due(along: boolean): number | undefined {
    const progress = this.progress();
    if (progress !== undefined && along) return this.taken();
    let maxQueued = 0;
    let due = -Infinity;
    for (const reader of this.readers()) {
      maxQueued = Math.max(maxQueued, reader.maxQueued);
      due = Math.max(due, reader.due);
    }
    const left = this.told - this.received;
    const limit = progress === undefined ? this.received + due : this.initial + progress.rows;
    const part = maxQueued / (along ? 4 : 2);
    if (left > maxQueued - part || limit - this.told < part) return undefined;
    return (this.told = limit);
  }

  /** With a cursor: returns the total to send, if the program has taken more than the component knows. */
  taken(): number | undefined {
    const progress = this.progress();
    if (progress === undefined || this.initial + progress.rows <= this.told) return undefined;
    return (this.told = this.initial + progress.rows);
  }
}

/** What `update` listeners may be sent before they are asked: they read at once. */
const LISTENING_ROWS = 32_768;

/**
 * How many rows the component may send of one subscription: absolute totals since its BIND, so many beyond what its consumer has read.
 */
export class Credit {
  private received = 0;
  private told = 0;
  /** What the last BIND began with, or is to begin with. */
  private initial = 0;
  /** Its consumer's client has asked for it, on the link there is: it knows what the BIND begins with. */
  asked = false;
  /** Rows that came and were dropped while nobody read, and that give no credit: the consumer is stuck. */
  private stuck = 0;
  private droppedInARow = 0;
  constructor(
    /** Rows that may wait. */
    private readonly maxQueued: number,
    private readonly queued: () => number,
    /** Whether it listens, and reads what comes at once. */
    private readonly listening: () => boolean,
  ) {}

  /** What is told already. */
  get total(): number {
    return this.told;
  }
  /** Rows that a BIND may begin with. */
  get room(): number {
    return Math.max(1, this.allowance - this.queued());
  }
  /** The next BIND may begin with as many as the last one. */
  get fits(): boolean {
    return this.initial <= this.room;
  }

  /** A new BIND is asked for: the rows that it may begin with. */
  begin(total = this.room): number {
    this.asked = true;
    this.received = this.stuck = 0;
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

  /** A row gave way to a newer one. While the consumer reads at all it gives credit; a queue's worth of them without does not. */
  dropped(): void {
    if (this.droppedInARow < this.maxQueued) this.droppedInARow++;
    else this.stuck++;
  }

  /** The consumer reads. */
  read(): void {
    this.droppedInARow = this.stuck = 0;
  }

  /** The total to tell: when half of a queue is left of the credit, or three quarters while something else is sent anyway. */
  due(along: boolean): number | undefined {
    const left = this.told - this.received;
    const limit = this.received - this.queued() - this.stuck + this.allowance;
    const part = this.maxQueued / (along ? 4 : 2);
    if (left > this.maxQueued - part || limit - this.told < part) return undefined;
    return (this.told = limit);
  }

  private get allowance(): number {
    return this.listening() ? LISTENING_ROWS : this.maxQueued;
  }
}

/** The component learns within this time what was taken, in ms. 1,000: so little comes again after a crash. */
const TELL_MS = 1_000;

export interface TakenPosition {
  readonly epoch: number;
  readonly offset: number;
}

/** Rows that arrived on the current BIND, and that the program has not taken. */
interface Run {
  readonly epoch: number;
  from: number;
  readonly to: number;
  /** Number of rows, if they are taken all together. Undefined: one for each offset. */
  readonly rows?: number;
}

/**
 * How far the program has come in a log or a map with a named cursor. The component counts rows since BIND. So this
 * counts which of the rows since BIND the program has taken, among them rows that came on an earlier link too.
 */
export class CursorProgress {
  private readonly runs: Run[] = [];
  private count = 0;
  private position: TakenPosition | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    /** Tells the component. Called within a second after the program has taken something. */
    private readonly onDue: () => void,
  ) {}

  /**
   * The last position that the program has taken, or behind which it begins. Undefined before the first grant. A
   * request that cannot rely on the cursor begins here: what waits in the queue is lost with the program.
   */
  get taken(): TakenPosition | undefined {
    return this.position;
  }
  /** Rows since BIND that the program has taken. */
  get rows(): number {
    return this.count;
  }

  /** A new BIND is asked for, which counts from 0. */
  begin(): void {
    this.runs.length = 0;
    this.count = 0;
  }

  /** The component says where the subscription begins. It has no effect later. */
  starts(position: TakenPosition): void {
    this.position ??= position;
  }

  /** Rows arrived, at the offsets `from` to `to`. */
  came(epoch: number, from: number, to: number): void {
    const last = this.runs.at(-1);
    if (last?.epoch === epoch && last.rows === undefined && last.to + 1 === from)
      this.runs[this.runs.length - 1] = { ...last, to };
    else this.runs.push({ epoch, from, to });
    this.settle();
  }

  /**
   * Rows of a map arrived. They are taken all together, with the position `to`. A frame without rows needs no position
   * of its own.
   */
  cameTogether(epoch: number, rows: number, to: number): void {
    if (rows === 0) return;
    this.runs.push({ epoch, from: to, to, rows });
    this.settle();
  }

  /** The program has taken everything up to this position. An earlier position has no effect. */
  take({ epoch, offset }: TakenPosition): void {
    if (this.position?.epoch === epoch && offset <= this.position.offset) return;
    this.position = { epoch, offset };
    this.settle();
  }

  private settle(): void {
    const { position } = this;
    if (position === undefined) return;
    const before = this.count;
    for (let [run] = this.runs; run?.epoch === position.epoch; [run] = this.runs) {
      if (run.from > position.offset) break;
      const to = Math.min(run.to, position.offset);
      this.count += run.rows ?? to - run.from + 1;
      run.from = to + 1;
      if (run.from > run.to) this.runs.shift();
    }
    if (this.count === before) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.onDue();
    }, TELL_MS);
  }

  /** Nothing is told any more by itself. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

import { RedisAway } from "./trouble.js";
import type { RedisLink } from "./redis-link.js";

/** A part of the store that has changes for Redis. */
export interface Writer {
  /** What it sends next frees more memory than it takes. So it is tried also while Redis refuses other writes. */
  readonly frees: boolean;
  /**
   * Sends what waits, and resolves when that is settled. Rejects with `RedisAway` if the same is to be sent again, and
   * with nothing else. `safe` resolves when the replicas have what was sent.
   */
  send(link: RedisLink, safe: Promise<void> | undefined): Promise<void>;
}

/** First and longest pause after Redis has refused a write, in ms. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

export interface WritesOptions {
  /** Replicas that must have a write. 0: none. */
  readonly replicas: number;
  /** How long Redis waits for them, in ms. */
  readonly replicasMs: number;
  readonly onProblem: (error: unknown) => void;
}

/**
 * Sends the changes of all writers. Those of one turn of the event loop leave in one write. While Redis is away or
 * refuses a write, all wait. Then one writer at a time tries again, and when it succeeds, all go on.
 */
export class Writes {
  private readonly waiting = new Set<Writer>();
  private booked: NodeJS.Immediate | undefined;
  private pause: NodeJS.Timeout | undefined;
  private failures = 0;
  private failure: Error | undefined;
  private flying = 0;
  private stopped = false;

  constructor(
    private readonly link: RedisLink,
    private readonly options: WritesOptions,
  ) {}

  /** Why nothing can be written. Undefined: the last write succeeded. */
  get problem(): string | undefined {
    return this.failure?.message;
  }

  /** Whether nothing waits, and nothing is under way. */
  get idle(): boolean {
    return this.waiting.size === 0 && this.flying === 0;
  }

  /** Sends the writer's changes at the end of this turn. */
  soon(writer: Writer): void {
    if (this.stopped) return;
    this.waiting.add(writer);
    this.book();
  }

  /** The connection is there again. */
  resume(): void {
    clearTimeout(this.pause);
    this.pause = undefined;
    this.failures = 0;
    // Without anything to try, nothing else says that Redis takes writes.
    if (this.waiting.size === 0) this.failure = undefined;
    this.book();
  }

  /** The connection is lost. */
  fail(error: Error): void {
    if (this.failure === undefined) this.options.onProblem(error);
    this.failure = error;
  }

  stop(): void {
    this.stopped = true;
    this.waiting.clear();
    clearTimeout(this.pause);
    clearImmediate(this.booked);
  }

  private book(): void {
    if (this.waiting.size === 0 || this.pause !== undefined || !this.link.up) return;
    this.booked ??= setImmediate(() => {
      this.booked = undefined;
      this.flush();
    });
  }

  private flush(): void {
    if (!this.link.up) return;
    const senders = this.failure === undefined ? [...this.waiting] : this.probes();
    if (senders.length === 0) return;
    const { replicas, replicasMs } = this.options;
    let isSafe: (() => void) | undefined;
    let isUnsafe: ((error: unknown) => void) | undefined;
    const safe =
      replicas === 0
        ? undefined
        : new Promise<void>((resolve, reject) => ([isSafe, isUnsafe] = [resolve, reject]));
    safe?.catch(() => undefined);
    for (const writer of senders) {
      this.waiting.delete(writer);
      this.flying++;
      writer.send(this.link, safe).then(
        () => this.succeeded(),
        (error: unknown) => this.failed(writer, error),
      );
    }
    // After the writes, on the same connection: Redis then waits for them.
    if (safe !== undefined)
      this.link.send(["WAIT", String(replicas), String(replicasMs)]).then(
        (have) => {
          if (Number(have) >= replicas) isSafe?.();
          else isUnsafe?.(new RedisAway(`${String(have)} of ${replicas} replicas have the last writes`));
        },
        (error: unknown) => isUnsafe?.(error),
      );
  }

  /** One writer that tries whether Redis takes writes again, and all that free memory. */
  private probes(): Writer[] {
    const found = [...this.waiting].filter(({ frees }) => frees);
    const [first] = this.waiting;
    if (first !== undefined && !found.includes(first)) found.push(first);
    return found;
  }

  private succeeded(): void {
    this.flying--;
    this.failures = 0;
    this.failure = undefined;
    clearTimeout(this.pause);
    this.pause = undefined;
    this.book();
  }

  private failed(writer: Writer, error: unknown): void {
    this.flying--;
    if (this.stopped) return;
    this.waiting.add(writer);
    this.fail(error as Error);
    // Without a connection, `resume` goes on.
    if (!this.link.up || this.pause !== undefined) return;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures++);
    this.pause = setTimeout(
      () => {
        this.pause = undefined;
        this.book();
      },
      pause * (0.5 + Math.random() / 2),
    );
  }
}

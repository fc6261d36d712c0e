export interface SendWindowPolicy {
  /** So long what is sent may wait before the server reads it, in ms. 0: no bound, and nothing is measured. */
  readonly targetMs: number;
  /** The window at first, in characters; below it the server counts as slow. */
  readonly initialChars: number;
  /** Most that it grows to. */
  readonly maxChars: number;
}

/** So often all that is out must have been read once while the server is slow, or the base delay would creep up, in ms. */
const DRAIN_EVERY_MS = 30_000;
/** A question for each such part of the window. */
const QUESTIONS = 4;

/**
 * How much may be out that the server has not said to have read. A socket tells nothing of a server that reads slowly, as one with a
 * limit of bytes per second does, before the kernels hold megabytes; a question behind what was sent, which the server answers when it comes to
 * it, does. Answers later than the quickest by more than `targetMs` shrink the window in proportion, early ones widen it: a delay-based control like LEDBAT
 * (RFC 6817). Pure: the clock is an argument, in ms.
 */
export class SendWindow {
  private window: number;
  private out = 0;
  private sinceQuestion = 0;
  /** What is out left when nothing was: its answer shows the delay of an empty way. */
  private alone = false;
  private asked: { readonly at: number; readonly out: number; readonly alone: boolean } | undefined;
  private baseMs = Infinity;
  private emptyAt = 0;
  private draining = false;
  private wasFull = false;

  constructor(private readonly policy: SendWindowPolicy) {
    this.window = policy.initialChars;
  }

  /** The server reads slower than is sent. */
  get slow(): boolean {
    return this.window < this.policy.initialChars;
  }

  /** How many characters may be sent now; Infinity without a bound. The last of them may go over it. */
  room(now: number): number {
    const { targetMs } = this.policy;
    if (targetMs === 0) return Infinity;
    const { asked, window, out } = this;
    const base = Number.isFinite(this.baseMs) ? this.baseMs : 0;
    const overdue = asked !== undefined && now - asked.at > base + 2 * targetMs;
    const room = overdue || (this.draining && out > 0) ? 0 : Math.max(0, window - out);
    this.wasFull ||= room === 0;
    return room;
  }

  /** Call for what was written; true: a question is to go behind it. */
  sent(chars: number, now: number): boolean {
    if (this.policy.targetMs === 0) return false;
    this.alone = this.out === 0;
    if (this.alone) {
      this.emptyAt = now;
      this.draining = false;
    }
    this.out += chars;
    this.sinceQuestion += chars;
    return this.due;
  }

  /** A question is to go out: behind what was sent, or along with what is sent next. */
  get due(): boolean {
    if (this.asked !== undefined || this.policy.targetMs === 0) return false;
    return this.sinceQuestion >= this.window / QUESTIONS || (this.slow && (this.alone || this.out === 0));
  }

  /** Call when a question went out. */
  question(now: number): void {
    this.asked ??= { at: now, out: this.out, alone: this.alone };
    this.sinceQuestion = 0;
  }

  /** The server has read so much more. */
  read(chars: number): void {
    this.out = Math.max(0, this.out - chars);
  }

  /** The answer to the question came. True: a further question is to go out, or nothing would tell when there is room. */
  answered(now: number): boolean {
    const { asked } = this;
    if (asked === undefined) return false;
    this.asked = undefined;
    const { maxChars, targetMs } = this.policy;
    const delay = now - asked.at;
    this.baseMs = asked.alone ? delay : Math.min(this.baseMs, delay);
    const queued = delay - this.baseMs;
    if (queued > targetMs) this.window = Math.max(1, (Math.min(this.window, asked.out) * targetMs) / queued);
    else if (queued < targetMs / 2 && (this.slow || this.wasFull)) {
      // A question that stood alone tells little of the queue: its own time on the way is the base.
      const growth = delay > targetMs ? 1.1 : 2;
      this.window = Math.max(this.window, Math.min(maxChars, growth * this.window));
    }
    this.wasFull = false;
    this.draining = this.slow && now - this.emptyAt > DRAIN_EVERY_MS;
    return this.out > 0 && this.room(now) === 0;
  }

  /** The stream is gone: no answer comes. What is out is sent again, or not at all (`forget`). */
  interrupt(): void {
    this.asked = undefined;
    this.sinceQuestion = 0;
  }

  /** Nothing is out any more; what was learnt is of another way. */
  forget(): void {
    this.interrupt();
    this.out = 0;
    this.alone = false;
    this.window = this.policy.initialChars;
    this.baseMs = Infinity;
    this.wasFull = this.draining = false;
  }
}

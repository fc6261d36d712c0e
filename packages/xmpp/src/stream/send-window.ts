export interface SendWindowPolicy {
  /** Longest time that sent text may wait before the server reads it, in ms. 0: no bound, and nothing is measured. */
  readonly targetMs: number;
  /** The window at the beginning, in characters. With a smaller window the server counts as slow. */
  readonly initialChars: number;
  /** Largest window, in characters. */
  readonly maxChars: number;
}

/**
 * While the server is slow, it must read all sent text at least this often, in ms. Otherwise the base delay would grow.
 */
const DRAIN_EVERY_MS = 30_000;
/** Questions in each window: one for each quarter. */
const QUESTIONS = 4;

/**
 * Bounds the text that is out: sent, and not known to be read by the server. A server with a limit of bytes per second
 * reads slowly. A socket shows that only after the kernels hold megabytes. So the sender sends a question after the
 * text, and the server answers the question when it has read the text before it.
 *
 * An answer that is later than the quickest one by more than `targetMs` shrinks the window in proportion. An early
 * answer widens it. This is a delay-based control like LEDBAT (RFC 6817). Pure: the clock is an argument, in ms.
 */
export class SendWindow {
  private window: number;
  private out = 0;
  private sinceQuestion = 0;
  /** The newest text was sent when nothing else was out. An answer to it shows the delay of an empty path. */
  private alone = false;
  private asked: { readonly at: number; readonly out: number; readonly alone: boolean } | undefined;
  private baseMs = Infinity;
  private emptyAt = 0;
  private draining = false;
  private wasFull = false;

  constructor(private readonly policy: SendWindowPolicy) {
    this.window = policy.initialChars;
  }

  /** The server reads more slowly than the sender sends. */
  get slow(): boolean {
    return this.window < this.policy.initialChars;
  }

  /** Characters that may be sent now; Infinity without a bound. The last text may exceed the bound. */
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

  /** Call for each text that was written. True: send a question after the text. */
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

  /** A question is due: after the text that was sent, or with the next text. */
  get due(): boolean {
    if (this.asked !== undefined || this.policy.targetMs === 0) return false;
    return this.sinceQuestion >= this.window / QUESTIONS || (this.slow && (this.alone || this.out === 0));
  }

  /** Call when a question was sent. */
  question(now: number): void {
    this.asked ??= { at: now, out: this.out, alone: this.alone };
    this.sinceQuestion = 0;
  }

  /** The server has read `chars` more characters. */
  read(chars: number): void {
    this.out = Math.max(0, this.out - chars);
  }

  /**
   * Call when the answer to the question arrived. True: send a further question. Without one, nothing would show when
   * there is room.
   */
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
      // The delay of a question alone is its own base, so it shows nothing of the queue. A long one widens only a
      // little.
      const growth = delay > targetMs ? 1.1 : 2;
      this.window = Math.max(this.window, Math.min(maxChars, growth * this.window));
    }
    this.wasFull = false;
    this.draining = this.slow && now - this.emptyAt > DRAIN_EVERY_MS;
    return this.out > 0 && this.room(now) === 0;
  }

  /** The stream has ended, so no answer arrives. The text that is out is sent again, or dropped (`forget`). */
  interrupt(): void {
    this.asked = undefined;
    this.sinceQuestion = 0;
  }

  /** Nothing is out any more. Forgets all measurements, since the next path is another one. */
  forget(): void {
    this.interrupt();
    this.out = 0;
    this.alone = false;
    this.window = this.policy.initialChars;
    this.baseMs = Infinity;
    this.wasFull = this.draining = false;
  }
}

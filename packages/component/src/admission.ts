/** Read anew each time: they may change. */
export interface AdmissionRates {
  /** Opens admitted a second, in the long run. */
  readonly perSecond: number;
  /** And so many at once after a pause. */
  readonly burst: number;
}

/** Nobody is told to come later than that, in ms: some of those who were told before do not come at all. */
const MAX_WAIT_MS = 300_000;

/**
 * A token bucket for opens, and for requests: when thousands return at once, each that is refused is told a moment of its own, so that they come back
 * one after another. Pure: clock, which never steps back, and chance are arguments.
 */
export class Admission {
  private tokens: number;
  private at = 0;
  /** The moment that was told last, in ms. */
  private toldUntil = 0;

  constructor(private readonly rates: AdmissionRates) {
    this.tokens = rates.burst;
  }

  /** Undefined: admitted. Else in how many ms it is to come again. `chance`: from 0 up to 1. */
  ask(now: number, chance: number): number | undefined {
    if (!this.hasRoom(now)) return this.book(now, chance);
    this.take();
    return undefined;
  }

  /** Whether one is admitted now. */
  hasRoom(now: number): boolean {
    this.fill(now);
    return this.tokens >= 1;
  }

  /** Admits one, where there is room. */
  take(): void {
    this.tokens--;
  }

  /** In how many ms one is to come again that is not admitted now, here or elsewhere: the moment is its own. */
  book(now: number, chance: number): number {
    this.fill(now);
    const { perSecond } = this.rates;
    const each = 1_000 / perSecond;
    const next = Math.max(this.toldUntil, now + each * (1 - this.tokens)) + each;
    // Too many for moments of their own: somewhen in the second half.
    if (next - now > MAX_WAIT_MS) return Math.ceil((MAX_WAIT_MS * (1 + chance)) / 2);
    this.toldUntil = next;
    return Math.max(0, Math.ceil(next - now));
  }

  /** What was admitted cost so much more than one. Owes a burst at most: nobody waits longer than that takes to fill up. */
  spend(tokens: number, now: number): void {
    this.fill(now);
    this.tokens = Math.max(-this.rates.burst, this.tokens - tokens);
  }

  private fill(now: number): void {
    const { perSecond, burst } = this.rates;
    this.tokens = Math.min(burst, this.tokens + ((now - this.at) / 1_000) * perSecond);
    this.at = now;
  }
}

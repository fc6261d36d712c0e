export interface AdmissionRates {
  /** Opens admitted a second, in the long run. */
  readonly perSecond: number;
  /** And so many at once after a pause. */
  readonly burst: number;
}

/**
 * A token bucket for opens: when thousands return at once, each that is refused is told a moment of its own, so that they come back
 * one after another. Pure: the clock is an argument.
 */
export class Admission {
  private tokens: number;
  private at = -Infinity;
  /** The moment that was told last, in ms. */
  private toldUntil = -Infinity;

  constructor(private readonly rates: AdmissionRates) {
    this.tokens = rates.burst;
  }

  /** Undefined: admitted. Else in how many ms it is to come again. */
  ask(now: number): number | undefined {
    const { perSecond, burst } = this.rates;
    if (now > this.at) {
      // A clock that stepped back gives nothing away.
      if (this.at !== -Infinity)
        this.tokens = Math.min(burst, this.tokens + ((now - this.at) / 1_000) * perSecond);
      this.at = now;
    }
    if (this.tokens >= 1) {
      this.tokens--;
      return undefined;
    }
    const each = 1_000 / perSecond;
    this.toldUntil = Math.max(this.toldUntil, now + each * (1 - this.tokens)) + each;
    return Math.ceil(this.toldUntil - now);
  }
}

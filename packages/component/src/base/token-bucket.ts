/** Read anew each time: they may change. */
export interface AdmissionRates {
  /** Admitted a second, in the long run. */
  readonly perSecond: number;
  /** And so many at once after a pause. */
  readonly burst: number;
}

/** Tokens that fill up by the clock, which is an argument and never steps back. */
export class TokenBucket {
  private tokens: number;
  private at = 0;

  constructor(readonly rates: AdmissionRates) {
    this.tokens = rates.burst;
  }

  /** How long one takes to come, in ms. */
  get eachMs(): number {
    return 1_000 / this.rates.perSecond;
  }

  fill(now: number): number {
    const { perSecond, burst } = this.rates;
    this.tokens = Math.min(burst, this.tokens + ((now - this.at) / 1_000) * perSecond);
    this.at = now;
    return this.tokens;
  }

  /** It is full, as a new one. */
  isIdle(now: number): boolean {
    return this.fill(now) >= this.rates.burst;
  }

  /** Owes a burst at most: nobody waits longer than that takes to fill up. */
  spend(tokens: number): void {
    this.tokens = Math.max(-this.rates.burst, this.tokens - tokens);
  }
}

/** Rates of a bucket. The bucket reads them anew each time, because they may change. */
export interface AdmissionRates {
  /** Admissions a second, on average. */
  readonly perSecond: number;
  /** Most admissions at once after a pause. */
  readonly burst: number;
}

/** Tokens that fill up with time. The clock, in ms, is an argument and never steps back. */
export class TokenBucket {
  private tokens: number;
  private at = 0;

  constructor(readonly rates: AdmissionRates) {
    this.tokens = rates.burst;
  }

  /** Time in which one token fills up, in ms. */
  get eachMs(): number {
    return 1_000 / this.rates.perSecond;
  }

  fill(now: number): number {
    const { perSecond, burst } = this.rates;
    this.tokens = Math.min(burst, this.tokens + ((now - this.at) / 1_000) * perSecond);
    this.at = now;
    return this.tokens;
  }

  /** Returns whether the bucket is full, like a new one. */
  isIdle(now: number): boolean {
    return this.fill(now) >= this.rates.burst;
  }

  /** Takes tokens. The bucket owes at most a burst, so nobody waits longer than a burst takes to fill up. */
  spend(tokens: number): void {
    this.tokens = Math.max(-this.rates.burst, this.tokens - tokens);
  }
}

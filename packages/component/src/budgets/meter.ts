/** What was used of a rate: it fills up at the rate, to a bound, and may go into debt. Pure: the clock is an argument. */
export class Meter {
  /** Full: a rate that nobody used. */
  private level = Infinity;
  private at = 0;

  /**
   * In seconds of the rate: what is left, or, negative, what is owed; never over `burstSeconds`. `now` in ms, of a clock that never steps
   * back.
   */
  standing(rate: number, burstSeconds: number, now: number): number {
    this.level = Math.min(burstSeconds * rate, this.level + ((now - this.at) / 1_000) * rate);
    this.at = now;
    return this.level / rate;
  }

  /** Owes at most `maxDebtSeconds`: whoever is nobody's to cut off is not slow for ever. */
  spend(count: number, rate: number, burstSeconds: number, maxDebtSeconds: number, now: number): number {
    this.standing(rate, burstSeconds, now);
    this.level = Math.max(-maxDebtSeconds * rate, this.level - count);
    return this.level / rate;
  }
}

/**
 * Learns from answers how long an answer that is due at once may take: RFC 6298 §2, with its gains. Pure. All times
 * are in ms.
 */
export class AnswerTime {
  private mean: number | undefined;
  private deviation = 0;

  /** `maxMs` is the bound until the first answer. */
  constructor(
    private readonly minMs: number,
    private readonly maxMs: number,
  ) {}

  /** Time after which an answer counts as missing. */
  get dueMs(): number {
    if (this.mean === undefined) return this.maxMs;
    return Math.min(this.maxMs, Math.max(this.minMs, this.mean + this.unevenMs));
  }

  /** How much the times of answers differ. */
  get unevenMs(): number {
    return 4 * this.deviation;
  }

  /**
   * Call for an answer that took `ms` to a request that was sent once. For a request that was sent again, nobody knows
   * which copy was answered (§3).
   */
  took(ms: number): void {
    if (this.mean === undefined) {
      this.mean = ms;
      this.deviation = ms / 2;
      return;
    }
    this.deviation += (Math.abs(ms - this.mean) - this.deviation) / 4;
    this.mean += (ms - this.mean) / 8;
  }
}

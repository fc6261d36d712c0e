/**
 * How long an answer may take that is due at once, learnt from those that came: RFC 6298 §2, with its gains. Pure; all in ms.
 */
export class AnswerTime {
  private mean: number | undefined;
  private deviation = 0;

  /** `maxMs` counts until a first answer came. */
  constructor(
    private readonly minMs: number,
    private readonly maxMs: number,
  ) {}

  /** After so long it counts as missing. */
  get dueMs(): number {
    if (this.mean === undefined) return this.maxMs;
    return Math.min(this.maxMs, Math.max(this.minMs, this.mean + this.unevenMs));
  }

  /** How much answers differ in it. */
  get unevenMs(): number {
    return 4 * this.deviation;
  }

  /** An answer came after so long, to what was sent once (§3: of what was sent again nobody knows which copy is answered). */
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

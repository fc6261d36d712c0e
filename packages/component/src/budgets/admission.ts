import { TokenBucket } from "../base/token-bucket.js";

/** Nobody is told to come later than that, in ms: some of those who were told before do not come at all. */
export const MAX_WAIT_MS = 300_000;

/** Too many for moments of their own: somewhen in the second half. `chance`: from 0 up to 1. */
export function someWaitMs(chance: number): number {
  return Math.ceil((MAX_WAIT_MS * (1 + chance)) / 2);
}

/**
 * A token bucket for requests: each that is refused is told a moment of its own, so that many that come at once come back one after
 * another. Pure: clock, which never steps back, and chance are arguments.
 */
export class Admission extends TokenBucket {
  /** The moment that was told last, in ms. */
  private toldUntil = 0;

  /** Undefined: admitted. Else in how many ms it is to come again. `chance`: from 0 up to 1. */
  ask(now: number, chance: number): number | undefined {
    const tokens = this.fill(now);
    if (tokens >= 1) return void this.spend(1);
    const { eachMs } = this;
    const next = Math.max(this.toldUntil, now + eachMs * (1 - tokens)) + eachMs;
    if (next - now > MAX_WAIT_MS) return someWaitMs(chance);
    this.toldUntil = next;
    return Math.max(0, Math.ceil(next - now));
  }

  override isIdle(now: number): boolean {
    return now >= this.toldUntil && super.isIdle(now);
  }

  /** What was admitted cost so much more than one. */
  charge(tokens: number, now: number): void {
    this.fill(now);
    this.spend(tokens);
  }
}

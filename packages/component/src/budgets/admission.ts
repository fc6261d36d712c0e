import { TokenBucket } from "../base/token-bucket.js";

/** Longest time to retry that a client receives, in ms. Some clients that were refused before do not come at all. */
export const MAX_WAIT_MS = 300_000;

/**
 * Returns a time in the second half of `MAX_WAIT_MS`, for clients that are too many for moments of their own. `chance`:
 * from 0 up to 1.
 */
export function someWaitMs(chance: number): number {
  return Math.ceil((MAX_WAIT_MS * (1 + chance)) / 2);
}

/**
 * A token bucket for requests. Each refused request receives a moment of its own, so that many that come at once come
 * back one after another. Pure: the clock, which never steps back, and chance are arguments.
 */
export class Admission extends TokenBucket {
  /** The last moment that was given for a retry, in ms. */
  private toldUntil = 0;

  /**
   * Returns undefined if the request is admitted, and otherwise the time until the retry, in ms. `chance`: from 0 up to
   * 1.
   */
  ask(now: number, chance: number): number | undefined {
    const tokens = this.fill(now);
    if (tokens >= 1) return void this.spend(1);
    const { eachMs } = this;
    const next = Math.max(this.toldUntil, now + eachMs * (1 - tokens)) + eachMs;
    if (next - now > MAX_WAIT_MS) return someWaitMs(chance);
    this.toldUntil = next;
    return Math.max(0, Math.ceil(next - now));
  }

  /** Whether one more request would be admitted now. */
  hasRoom(now: number): boolean {
    return this.fill(now) >= 1;
  }

  override isIdle(now: number): boolean {
    return now >= this.toldUntil && super.isIdle(now);
  }

  /** Charges an admitted request this much more than its own token. */
  charge(tokens: number, now: number): void {
    this.fill(now);
    this.spend(tokens);
  }
}

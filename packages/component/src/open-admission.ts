import { MAX_WAIT_MS } from "./admission.js";
import { FreeSlots } from "./free-slots.js";
import { HeldMoments } from "./held-moments.js";
import { TokenBucket, type AdmissionRates } from "./token-bucket.js";

/** Moments that have passed are forgotten so often, in ms. */
const FORGET_MS = 1_000;

/**
 * A token bucket for opens, and for one account's share of them. When thousands return at once, each that is refused is told a moment
 * of its own, which is kept from others. Pure: the clock, which never steps back, is an argument.
 */
export class OpenAdmission {
  private readonly bucket: TokenBucket;
  private readonly held = new HeldMoments();
  /** Numbered by the time since 0, each as long as a token takes. */
  private readonly slots = new FreeSlots();
  private slotMs: number;
  private forgottenAt = 0;

  constructor(rates: AdmissionRates) {
    this.bucket = new TokenBucket(rates);
    this.slotMs = this.bucket.eachMs;
  }

  /** Whether one is admitted now: `who` is expected, or there is room beside those who are. */
  hasRoom(now: number, who: string): boolean {
    return (this.held.isDue(who, now) ? this.bucket.fill(now) : this.free(now)) >= 1;
  }

  /** Admits one, where there is room. */
  take(who: string): void {
    this.bucket.spend(1);
    this.held.release(who);
  }

  /** The first moment from this one on, in ms, at which nobody is expected and a token will be there. */
  freeFrom(at: number, now: number): number {
    const { eachMs } = this.bucket;
    if (eachMs !== this.slotMs) {
      this.slotMs = eachMs;
      this.slots.clear();
    }
    const earliest = Math.max(at, now + eachMs * (1 - this.free(now)));
    const slot = Math.floor(earliest / eachMs);
    const free = this.slots.find(slot);
    return free === slot ? earliest : free * eachMs;
  }

  /** In how many ms it was told to come, in its last refusal; undefined where that has passed, or it had none. */
  expectedIn(who: string, now: number): number | undefined {
    return this.held.ahead(who, now);
  }

  /** It was told to come at this moment, in ms. */
  expect(who: string, at: number, now: number): void {
    if (at - now > MAX_WAIT_MS) return;
    if (now - this.forgottenAt >= FORGET_MS) {
      this.forgottenAt = now;
      this.slots.forget(Math.floor(now / this.slotMs));
    }
    const slot = Math.floor(at / this.slotMs);
    if (this.slots.find(slot) === slot) this.slots.take(slot);
    this.held.hold(who, at);
  }

  /** Without what is kept for those who are expected now. */
  private free(now: number): number {
    return this.bucket.fill(now) - this.held.due(now);
  }
}

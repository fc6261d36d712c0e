import { MAX_WAIT_MS } from "./admission.js";
import { FreeSlots } from "../base/free-slots.js";
import { HeldMoments } from "../base/held-moments.js";
import { TokenBucket } from "../base/token-bucket.js";

/** Moments that have passed are forgotten so often, in ms. */
const FORGET_MS = 1_000;

/** What is kept for those who were told to come again. */
class ToldMoments {
  readonly held = new HeldMoments();
  /** Numbered by the time since 0, each as long as a token takes. */
  readonly slots = new FreeSlots();
  forgottenAt = 0;

  constructor(public slotMs: number) {}
}

/**
 * A token bucket for opens, and for one account's share of them. When thousands return at once, each that is refused is told a moment
 * of its own, which is kept from others. Pure: the clock, which never steps back, is an argument.
 */
export class OpenAdmission extends TokenBucket {
  /** Undefined: nobody was refused so far. Most accounts open a link now and then, and there are many of them. */
  private told: ToldMoments | undefined;

  /** Whether one is admitted now: `who` is expected, or there is room beside those who are. */
  hasRoom(now: number, who: string): boolean {
    return (this.told?.held.isDue(who, now) === true ? this.fill(now) : this.free(now)) >= 1;
  }

  /** Admits one, where there is room. */
  take(who: string): void {
    this.spend(1);
    this.told?.held.release(who);
  }

  /** The first moment from this one on, in ms, at which nobody is expected and a token will be there. */
  freeFrom(at: number, now: number): number {
    const { eachMs, told } = this;
    if (told !== undefined && eachMs !== told.slotMs) {
      told.slotMs = eachMs;
      told.slots.clear();
    }
    const earliest = Math.max(at, now + eachMs * (1 - this.free(now)));
    const slot = Math.floor(earliest / eachMs);
    const free = told === undefined ? slot : told.slots.find(slot);
    return free === slot ? earliest : free * eachMs;
  }

  /** In how many ms it was told to come, in its last refusal; undefined where that has passed, or it had none. */
  expectedIn(who: string, now: number): number | undefined {
    return this.told?.held.ahead(who, now);
  }

  /** It was told to come at this moment, in ms. */
  expect(who: string, at: number, now: number): void {
    if (at - now > MAX_WAIT_MS) return;
    const told = (this.told ??= new ToldMoments(this.eachMs));
    const { slots, slotMs } = told;
    if (now - told.forgottenAt >= FORGET_MS) {
      told.forgottenAt = now;
      slots.forget(Math.floor(now / slotMs));
    }
    const slot = Math.floor(at / slotMs);
    if (slots.find(slot) === slot) slots.take(slot);
    told.held.hold(who, at);
  }

  /** Nobody is expected either. */
  override isIdle(now: number): boolean {
    return this.told === undefined && super.isIdle(now);
  }

  /** Without what is kept for those who are expected now. */
  private free(now: number): number {
    return this.fill(now) - (this.told?.held.due(now) ?? 0);
  }
}

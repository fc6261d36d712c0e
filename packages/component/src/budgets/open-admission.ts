import { MAX_WAIT_MS } from "./admission.js";
import { FreeSlots } from "../base/free-slots.js";
import { HeldMoments } from "../base/held-moments.js";
import { TokenBucket } from "../base/token-bucket.js";

/** Least time between two removals of past moments, in ms. */
const FORGET_MS = 1_000;

/** The moments at which refused clients are to retry. */
class ToldMoments {
  readonly held = new HeldMoments();
  /** Slots of the time, numbered from time 0. A slot is as long as one token takes to fill up. */
  readonly slots = new FreeSlots();
  forgottenAt = 0;

  constructor(public slotMs: number) {}
}

/**
 * A token bucket for opens of links, and for one account's share of them. When thousands of clients return at once,
 * each refused client receives a moment of its own, which is kept free for it. Pure: the clock, which never steps back,
 * is an argument.
 */
export class OpenAdmission extends TokenBucket {
  /** Undefined: nobody was refused so far. There are many accounts, and most of them open a link now and then. */
  private told: ToldMoments | undefined;

  /**
   * Returns whether `who` is admitted now. A client that is expected now needs a token. Any other client needs one more
   * than the expected clients.
   */
  hasRoom(now: number, who: string): boolean {
    return (this.told?.held.isDue(who, now) === true ? this.fill(now) : this.free(now)) >= 1;
  }

  /** Admits `who`. Call `hasRoom` before. */
  take(who: string): void {
    this.spend(1);
    this.told?.held.release(who);
  }

  /** Returns the first moment from `at` on, in ms, at which nobody is expected and a token will be there. */
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

  /**
   * Returns the time until the moment that `who` received with its last refusal, in ms. Undefined: that moment has
   * come, or there is none.
   */
  expectedIn(who: string, now: number): number | undefined {
    return this.told?.held.ahead(who, now);
  }

  /** Keeps the moment `at`, in ms, free for `who`. Does nothing for a moment beyond `MAX_WAIT_MS`. */
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

  /** Returns whether the bucket is full, and nobody was ever refused. */
  override isIdle(now: number): boolean {
    return this.told === undefined && super.isIdle(now);
  }

  /** Returns the tokens that are left beside those for clients expected now. */
  private free(now: number): number {
    return this.fill(now) - (this.told?.held.due(now) ?? 0);
  }
}

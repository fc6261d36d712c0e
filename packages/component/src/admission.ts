import { HeldMoments } from "./held-moments.js";

/** Read anew each time: they may change. */
export interface AdmissionRates {
  /** Opens admitted a second, in the long run. */
  readonly perSecond: number;
  /** And so many at once after a pause. */
  readonly burst: number;
}

/** Nobody is told to come later than that, in ms: some of those who were told before do not come at all. */
const MAX_WAIT_MS = 300_000;

/** No moment is kept for anybody further ahead than that, in ms. */
const MAX_HELD_MS = MAX_WAIT_MS / 2;

/**
 * A token bucket for opens, and for requests: when thousands return at once, each that is refused is told a moment of its own, so that they come back
 * one after another. Who has a name finds that moment kept from others. Pure: clock, which never steps back, and chance are arguments.
 */
export class Admission {
  private tokens: number;
  private at = 0;
  /** The moment that was told last, in ms. */
  private toldUntil = 0;
  private readonly held = new HeldMoments();

  constructor(private readonly rates: AdmissionRates) {
    this.tokens = rates.burst;
  }

  /** Undefined: admitted. Else in how many ms it is to come again. `chance`: from 0 up to 1. */
  ask(now: number, chance: number): number | undefined {
    if (!this.hasRoom(now)) return this.book(now, chance);
    this.take();
    return undefined;
  }

  /** Whether one is admitted now: `who` is expected, or there is room beside those who are. */
  hasRoom(now: number, who?: string): boolean {
    const isExpected = who !== undefined && this.held.isDue(who, now);
    return (isExpected ? this.fill(now) : this.free(now)) >= 1;
  }

  /** Admits one, where there is room. */
  take(who?: string): void {
    this.tokens--;
    if (who !== undefined) this.held.release(who);
  }

  /** In how many ms one is to come again that is not admitted now, here or elsewhere: the moment is its own. */
  book(now: number, chance: number): number {
    const { perSecond } = this.rates;
    const each = 1_000 / perSecond;
    const next = Math.max(this.toldUntil, now + each * (1 - this.free(now))) + each;
    // Too many for moments of their own: somewhen in the second half.
    if (next - now > MAX_WAIT_MS) return Math.ceil((MAX_WAIT_MS * (1 + chance)) / 2);
    this.toldUntil = next;
    return Math.max(0, Math.ceil(next - now));
  }

  /** In how many ms it was told to come, in its last refusal; undefined where that has passed, or it had none. */
  expectedIn(who: string, now: number): number | undefined {
    return this.held.ahead(who, now);
  }

  /** It was told to come in so many ms. */
  expect(who: string, inMs: number, now: number): void {
    if (inMs <= MAX_HELD_MS) this.held.hold(who, now + inMs);
  }

  /** What was admitted cost so much more than one. Owes a burst at most: nobody waits longer than that takes to fill up. */
  spend(tokens: number, now: number): void {
    this.fill(now);
    this.tokens = Math.max(-this.rates.burst, this.tokens - tokens);
  }

  private fill(now: number): number {
    const { perSecond, burst } = this.rates;
    this.tokens = Math.min(burst, this.tokens + ((now - this.at) / 1_000) * perSecond);
    this.at = now;
    return this.tokens;
  }

  /** Without what is kept for those who are expected now. */
  private free(now: number): number {
    return this.fill(now) - this.held.due(now);
  }
}

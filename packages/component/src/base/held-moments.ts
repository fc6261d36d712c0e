/**
 * How long a moment is kept after it has come, in ms. Clients come a little later than their moment, by chance and
 * because requests take time.
 */
const KEPT_MS = 1_000;
/** Moments are counted in steps of this length, in ms. */
const STEP_MS = 100;

const stepOf = (at: number): number => Math.floor(at / STEP_MS);

/**
 * The moments at which clients are to retry, and how many clients are expected now. Pure: the clock, which never steps
 * back, is an argument.
 */
export class HeldMoments {
  private readonly steps = new Map<number, Set<string>>();
  private readonly of = new Map<string, number>();
  private cleanedAt = -Infinity;

  get size(): number {
    return this.of.size;
  }

  /** Gives `who` the moment `at`, in place of any moment before. */
  hold(who: string, at: number): void {
    this.release(who);
    const step = stepOf(at);
    this.of.set(who, at);
    this.steps.set(step, (this.steps.get(step) ?? new Set()).add(who));
  }

  /** `who` has come. Its moment is forgotten. */
  release(who: string): void {
    const at = this.of.get(who);
    if (at === undefined) return;
    const step = stepOf(at);
    this.of.delete(who);
    const together = this.steps.get(step);
    together?.delete(who);
    if (together?.size === 0) this.steps.delete(step);
  }

  /** Returns the time until the moment of `who`, in ms. Undefined: `who` has no moment, or the moment has come. */
  ahead(who: string, now: number): number | undefined {
    const at = this.of.get(who);
    return at === undefined || stepOf(at) <= stepOf(now) ? undefined : Math.ceil(at - now);
  }

  /** Returns whether the moment of `who` has come, and is not over yet. */
  isDue(who: string, now: number): boolean {
    this.clean(now);
    return stepOf(this.of.get(who) ?? Infinity) <= stepOf(now);
  }

  /** Returns how many moments have come, and are not over yet. */
  due(now: number): number {
    this.clean(now);
    let count = 0;
    for (let step = stepOf(now - KEPT_MS); step <= stepOf(now); step++)
      count += this.steps.get(step)?.size ?? 0;
    return count;
  }

  private clean(now: number): void {
    const oldest = stepOf(now - KEPT_MS);
    if (oldest <= this.cleanedAt) return;
    this.cleanedAt = oldest;
    for (const [step, together] of this.steps) {
      if (step >= oldest) continue;
      for (const who of together) this.of.delete(who);
      this.steps.delete(step);
    }
  }
}

/** A moment is kept for so long, in ms: who was told of it comes a little later, by chance and by the way. */
const KEPT_MS = 1_000;
/** Moments are counted in steps of so many ms. */
const STEP_MS = 100;

const stepOf = (at: number): number => Math.floor(at / STEP_MS);

/** Who was told when to come, and how many of them are expected now. Pure: the clock, which never steps back, is an argument. */
export class HeldMoments {
  private readonly steps = new Map<number, Set<string>>();
  private readonly of = new Map<string, number>();
  private cleanedAt = -Infinity;

  get size(): number {
    return this.of.size;
  }

  /** It is to come at that moment, and at no other that it was told before. */
  hold(who: string, at: number): void {
    this.release(who);
    const step = stepOf(at);
    this.of.set(who, at);
    this.steps.set(step, (this.steps.get(step) ?? new Set()).add(who));
  }

  /** It has come. */
  release(who: string): void {
    const at = this.of.get(who);
    if (at === undefined) return;
    const step = stepOf(at);
    this.of.delete(who);
    const together = this.steps.get(step);
    together?.delete(who);
    if (together?.size === 0) this.steps.delete(step);
  }

  /** In how many ms its moment is; undefined where it has none, or that has come. */
  ahead(who: string, now: number): number | undefined {
    const at = this.of.get(who);
    return at === undefined || stepOf(at) <= stepOf(now) ? undefined : Math.ceil(at - now);
  }

  /** Whether its moment is now. */
  isDue(who: string, now: number): boolean {
    this.clean(now);
    return stepOf(this.of.get(who) ?? Infinity) <= stepOf(now);
  }

  /** How many have their moment now. */
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

/**
 * Most intervals that are kept. At that number, every second one is dropped, and later only every second new one is
 * kept.
 */
const MAX_KEPT = 65_536;

/** Computes the usual time between two updates of a service. Its memory does not depend on the number of updates. */
export class Intervals {
  private readonly last = new Map<string, number>();
  private kept: number[] = [];
  private stride = 1;
  private count = 0;
  private total = 0;

  /** Adds an update. `at`: in ms. Times may increase or decrease. */
  add(service: string, at: number): void {
    const before = this.last.get(service);
    this.last.set(service, at);
    if (before === undefined) return;
    const interval = Math.abs(at - before);
    this.total += interval;
    if (this.count++ % this.stride !== 0) return;
    this.kept.push(interval);
    if (this.kept.length < MAX_KEPT) return;
    this.kept = this.kept.filter((_, index) => index % 2 === 0);
    this.stride *= 2;
  }

  /**
   * The median in ms. If that is 0, because most updates share their time with another, the mean. undefined without
   * intervals.
   */
  get usual(): number | undefined {
    if (this.kept.length === 0) return undefined;
    const sorted = [...this.kept].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    return median > 0 ? median : this.total / this.count;
  }
}

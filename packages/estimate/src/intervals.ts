/** Intervals that are kept: beyond, every second one goes, and only every second new one comes. */
const MAX_KEPT = 65_536;

/** The usual time between two updates of a service, whatever the number of updates. */
export class Intervals {
  private readonly last = new Map<string, number>();
  private kept: number[] = [];
  private stride = 1;
  private count = 0;
  private total = 0;

  /** `at` in ms. The order of times may go up or down. */
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

  /** The median in ms; where that is 0, since most share their time with another, the mean. undefined without intervals. */
  get usual(): number | undefined {
    if (this.kept.length === 0) return undefined;
    const sorted = [...this.kept].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    return median > 0 ? median : this.total / this.count;
  }
}

/**
 * Gathers the values of one service within a window, by the same rule as Stanzapack's SDK. Windows end at multiples of
 * their length since 1970. The first value after a silence of a window or more leaves at once.
 */
export class WindowBatcher<T> {
  private items: T[] = [];
  private timer: NodeJS.Timeout | undefined;
  private lastFlushAt = -Infinity;

  constructor(
    /** In ms. */
    private readonly windowMs: number,
    private readonly onBatch: (items: readonly T[]) => void,
    private readonly now: () => number = Date.now,
  ) {}

  push(item: T): void {
    this.items.push(item);
    if (this.timer !== undefined) return;
    const now = this.now();
    const idle = now - this.lastFlushAt >= this.windowMs;
    const dueAt = idle ? now : Math.floor(now / this.windowMs + 1) * this.windowMs;
    this.timer = setTimeout(() => this.flush(), dueAt - now);
  }

  /** Sends the waiting values now. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.items.length === 0) return;
    this.lastFlushAt = this.now();
    this.onBatch(this.items.splice(0));
  }

  /** Drops the waiting values. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.items = [];
  }
}

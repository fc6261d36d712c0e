import type { StanzapackError } from "@stanzapack/wire";

/** Items that wait for a consumer. The queue drops its oldest items beyond a bound, unless `push` forbids it. */
export class UpdateQueue<T> {
  private items: T[] = [];
  private waiting: {
    resolve: (result: IteratorResult<T, undefined>) => void;
    reject: (error: unknown) => void;
  }[] = [];
  private end: { readonly error: StanzapackError | undefined } | undefined;

  constructor(
    private readonly maxItems: number,
    private readonly onDrop: (item: T) => void,
  ) {}

  get length(): number {
    return this.items.length;
  }

  get empty(): boolean {
    return this.items.length === 0;
  }
  /** Removes and returns the oldest item, if one waits. */
  take(): T | undefined {
    return this.items.shift();
  }

  push(item: T, mayDrop = true): void {
    if (this.end !== undefined) return;
    const waiter = this.waiting.shift();
    if (waiter !== undefined) return waiter.resolve({ value: item, done: false });
    this.items.push(item);
    if (mayDrop && this.items.length > this.maxItems) this.onDrop(this.items.shift() as T);
  }

  /** Ends the queue. Waiting items are still delivered. Then the iteration ends, or throws `error`. Idempotent. */
  close(error?: StanzapackError): void {
    if (this.end !== undefined) return;
    this.end = { error };
    for (const waiter of this.waiting.splice(0)) {
      if (error === undefined) waiter.resolve({ value: undefined, done: true });
      else waiter.reject(error);
    }
  }

  /** Rejects the calls of `next` that wait. */
  refuse(error: StanzapackError): void {
    for (const waiter of this.waiting.splice(0)) waiter.reject(error);
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const item = this.items.shift();
    if (item !== undefined) return Promise.resolve({ value: item, done: false });
    if (this.end?.error !== undefined) return Promise.reject(this.end.error);
    if (this.end !== undefined) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }
}

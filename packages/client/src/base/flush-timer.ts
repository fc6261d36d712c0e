import { monotonicNow } from "@stanzapack/xmpp";
import { soon } from "./soon.js";

/** One timer for every service that waits for its window's boundary. */
export class FlushTimer<T> {
  private readonly due = new Map<T, number>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private undoSoon: (() => void) | undefined;
  private next = Infinity;

  constructor(
    private readonly onDue: (items: readonly T[]) => void,
    private readonly now: () => number = monotonicNow,
  ) {}

  /**
   * Calls `onDue` with the item at `dueAt`, in ms. Of two bookings the earlier one holds. An item that is due now waits
   * for the end of the current turn, so that the updates of one turn leave together.
   */
  book(item: T, dueAt: number): void {
    const booked = this.due.get(item);
    if (booked !== undefined && booked <= dueAt) return;
    this.due.set(item, dueAt);
    if (dueAt <= this.now()) this.undoSoon ??= soon(() => this.fire());
    else if (dueAt < this.next) this.arm(dueAt);
  }

  forget(item: T): void {
    this.due.delete(item);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.undoSoon?.();
    this.due.clear();
  }

  private arm(dueAt: number): void {
    this.next = dueAt;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fire(), Math.max(0, Math.ceil(dueAt - this.now())));
  }

  private fire(): void {
    clearTimeout(this.timer);
    this.undoSoon?.();
    this.undoSoon = undefined;
    this.next = Infinity;
    const now = this.now();
    const items: T[] = [];
    let next = Infinity;
    for (const [item, dueAt] of this.due) {
      if (dueAt <= now) {
        items.push(item);
        this.due.delete(item);
      } else if (dueAt < next) next = dueAt;
    }
    if (next !== Infinity) this.arm(next);
    if (items.length > 0) this.onDue(items);
  }
}

/** Slots numbered from 0. Each slot is taken once. `find` is quick: it is union–find with path compression. */
export class FreeSlots {
  /** For each taken slot, a later slot that may be free. */
  private readonly later = new Map<number, number>();

  /** Returns the first free slot from `slot` on. */
  find(slot: number): number {
    let free = slot;
    for (let next = this.later.get(free); next !== undefined; next = this.later.get(free)) free = next;
    for (let it = slot; it < free;) {
      const next = this.later.get(it) as number;
      this.later.set(it, free);
      it = next;
    }
    return free;
  }

  take(slot: number): void {
    this.later.set(slot, this.find(slot + 1));
  }

  /** Forgets the slots before `slot`, whose time is over. */
  forget(slot: number): void {
    for (const it of this.later.keys()) if (it < slot) this.later.delete(it);
  }

  clear(): void {
    this.later.clear();
  }
}

/** Numbers from 0, each taken once; the next free one is found quickly (union–find, with path compression). */
export class FreeSlots {
  /** Of a taken one, a later one that may be free. */
  private readonly later = new Map<number, number>();

  /** The first free one from this one on. */
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

  /** Those before this one are past. */
  forget(slot: number): void {
    for (const it of this.later.keys()) if (it < slot) this.later.delete(it);
  }

  clear(): void {
    this.later.clear();
  }
}

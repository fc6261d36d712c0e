/** Weights of one class differ by less than this factor. */
const BASE = 2;

/**
 * Finds who holds the most of something shared. Exact to a factor of two, so that every change takes the same time, however many
 * there are: where room is made by the one that `top` gives, nobody gives way who holds less than half of what another one holds.
 */
export class Heaviest<T> {
  private readonly weights = new Map<T, number>();
  /** By the logarithm of their weight. */
  private readonly classes: Set<T>[] = [];

  /** 0: it holds nothing, and is forgotten. */
  set(item: T, weight: number): void {
    const before = this.weights.get(item) ?? 0;
    const [from, to] = [classOf(before), classOf(weight)];
    if (from !== to) {
      this.classes[from]?.delete(item);
      if (weight > 0) this.classAt(to).add(item);
    }
    if (weight > 0) this.weights.set(item, weight);
    else this.weights.delete(item);
  }

  get(item: T): number {
    return this.weights.get(item) ?? 0;
  }

  add(item: T, by: number): void {
    this.set(item, this.get(item) + by);
  }

  /** One of the heaviest; undefined where nobody holds anything. */
  get top(): T | undefined {
    for (let i = this.classes.length - 1; i >= 0; i--) {
      const first = this.classes[i]?.values().next();
      if (first?.done === false) return first.value;
    }
    return undefined;
  }

  private classAt(index: number): Set<T> {
    while (this.classes.length <= index) this.classes.push(new Set());
    return this.classes[index] as Set<T>;
  }
}

/** −1: nothing. */
function classOf(weight: number): number {
  return weight <= 0 ? -1 : Math.max(0, Math.floor(Math.log(weight) / Math.log(BASE)));
}

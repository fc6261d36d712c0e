/** Weights of one class differ by less than this factor. */
const BASE = 2;

/**
 * Finds the holder of the most of a shared resource. It is exact to a factor of two, so every change takes the same
 * time, however many holders there are. A holder that `top` gives holds at least half of what any other holder has. So
 * a caller may let that holder make room.
 */
export class Heaviest<T> {
  private readonly weights = new Map<T, number>();
  /** Items by the logarithm of their weight. */
  private readonly classes: Set<T>[] = [];

  /** Sets the weight of an item. An item of weight 0 is forgotten. */
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

  /** One of the heaviest items. Undefined: no item has a weight. */
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

/** Returns the class of a weight. −1: the weight is 0. */
function classOf(weight: number): number {
  return weight <= 0 ? -1 : Math.max(0, Math.floor(Math.log(weight) / Math.log(BASE)));
}

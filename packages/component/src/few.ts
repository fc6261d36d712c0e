/**
 * A map that mostly has one entry or none, and takes no memory for more until it has more: an empty `Map` has some 200 bytes, and a component
 * has several for each link. Its entries are in the order in which they came.
 */
export class FewMap<K, V> {
  private key: K | undefined = undefined;
  private value: V | undefined = undefined;
  private isOne = false;
  private many: Map<K, V> | undefined = undefined;

  get size(): number {
    return this.many?.size ?? (this.isOne ? 1 : 0);
  }

  get(key: K): V | undefined {
    if (this.many !== undefined) return this.many.get(key);
    return this.isOne && this.key === key ? this.value : undefined;
  }

  has(key: K): boolean {
    return this.many?.has(key) ?? (this.isOne && this.key === key);
  }

  set(key: K, value: V): void {
    if (this.many === undefined && (!this.isOne || this.key === key)) {
      this.key = key;
      this.value = value;
      this.isOne = true;
      return;
    }
    this.many ??= new Map([[this.key as K, this.value as V]]);
    this.key = this.value = undefined;
    this.many.set(key, value);
  }

  delete(key: K): boolean {
    if (this.many !== undefined) return this.many.delete(key);
    const isThere = this.has(key);
    if (isThere) this.clear();
    return isThere;
  }

  clear(): void {
    this.many = this.key = this.value = undefined;
    this.isOne = false;
  }

  /** As of a `Map`: an entry may be deleted meanwhile. */
  *[Symbol.iterator](): Generator<[K, V], void> {
    if (this.many !== undefined) yield* this.many;
    else if (this.isOne) yield [this.key as K, this.value as V];
  }

  *values(): Generator<V, void> {
    if (this.many !== undefined) yield* this.many.values();
    else if (this.isOne) yield this.value as V;
  }
}

/** The same for a set. */
export class FewSet<T> {
  private readonly items = new FewMap<T, T>();

  get size(): number {
    return this.items.size;
  }

  has(item: T): boolean {
    return this.items.has(item);
  }

  add(item: T): this {
    if (!this.items.has(item)) this.items.set(item, item);
    return this;
  }

  delete(item: T): boolean {
    return this.items.delete(item);
  }

  [Symbol.iterator](): Generator<T, void> {
    return this.items.values();
  }
}

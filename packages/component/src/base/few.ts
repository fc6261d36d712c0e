/**
 * A map that mostly has one entry or none. It creates a `Map` only for a second entry, because an empty `Map` takes
 * some 200 bytes, and a component has several for each link. Entries are in the order in which they were added.
 */
export class FewMap<K extends number | object, V> {
  private key: K | undefined = undefined;
  private value: V | undefined = undefined;
  private many: Map<K, V> | undefined = undefined;

  get size(): number {
    return this.many?.size ?? (this.key === undefined ? 0 : 1);
  }

  get(key: K): V | undefined {
    if (this.many !== undefined) return this.many.get(key);
    return this.key === key ? this.value : undefined;
  }

  has(key: K): boolean {
    return this.many?.has(key) ?? this.key === key;
  }

  set(key: K, value: V): void {
    if (this.many === undefined && (this.key === undefined || this.key === key)) {
      this.key = key;
      this.value = value;
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
  }

  /** As with a `Map`, entries may be deleted during the loop. */
  *[Symbol.iterator](): Generator<[K, V], void> {
    if (this.many !== undefined) yield* this.many;
    else if (this.key !== undefined) yield [this.key, this.value as V];
  }

  *values(): Generator<V, void> {
    if (this.many !== undefined) yield* this.many.values();
    else if (this.key !== undefined) yield this.value as V;
  }
}

/** The same as `FewMap`, for a set. */
export class FewSet<T extends string | object> {
  private item: T | undefined = undefined;
  private many: Set<T> | undefined = undefined;

  get size(): number {
    return this.many?.size ?? (this.item === undefined ? 0 : 1);
  }

  has(item: T): boolean {
    return this.many?.has(item) ?? this.item === item;
  }

  add(item: T): this {
    if (this.many === undefined && (this.item === undefined || this.item === item)) this.item = item;
    else {
      this.many ??= new Set([this.item as T]);
      this.item = undefined;
      this.many.add(item);
    }
    return this;
  }

  delete(item: T): boolean {
    if (this.many !== undefined) return this.many.delete(item);
    const isThere = this.item === item;
    if (isThere) this.item = undefined;
    return isThere;
  }

  *[Symbol.iterator](): Generator<T, void> {
    if (this.many !== undefined) yield* this.many;
    else if (this.item !== undefined) yield this.item;
  }
}

/** One change of an engine. `value` undefined: the key is removed. */
export interface Write {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** A key and its value. `value` undefined: the value is damaged. */
export interface Item {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

export interface RangeOptions {
  /** Most items. Default: all. */
  readonly limit?: number;
  /** From the last key to the first. Default false. */
  readonly reverse?: boolean;
}

/** Keys and values on a disk, in the order of the keys' bytes. Each read sees all finished commits. */
export interface Engine {
  /** Bytes in use on the disk. */
  readonly bytes: number;
  /** Returns undefined if there is no such key. The value is a copy. */
  get(key: Uint8Array): Item | undefined;
  /** The items from `from` (included) to `to` (excluded). Values are copies. */
  range(from: Uint8Array, to: Uint8Array, options?: RangeOptions): Iterable<Item>;
  /**
   * Writes all or nothing. Resolves when the writes are on the disk. Rejects with the cause. The caller awaits one
   * commit before it begins the next.
   */
  commit(writes: readonly Write[]): Promise<void>;
  close(): Promise<void>;
}

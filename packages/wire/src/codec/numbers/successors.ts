/** Entries at first, 768 bytes, and at most, 24 KB. */
const MIN_ENTRIES = 1 << 6;
const MAX_ENTRIES = 1 << 11;

/**
 * The number that came after a number the last time, for all series of a codec. The newest of the entries that share a
 * place is kept.
 */
export class Successors {
  private owners = new Int32Array(MIN_ENTRIES);
  private values = new Float64Array(MIN_ENTRIES);
  /** Places taken since the table grew, whether they were free or had an owner. */
  private taken = 0;

  get bytes(): number {
    return this.owners.byteLength + this.values.byteLength;
  }

  /** Returns what followed `value` in series `id`, or `value` itself if that is not known. */
  get(id: number, value: number): number {
    const hash = hashOf(id, value);
    const place = hash & (this.owners.length - 1);
    return this.owners[place] === hash ? (this.values[place] as number) : value;
  }

  /** As `get`. From now on `next` follows `value`, unless both are equal. */
  replace(id: number, value: number, next: number): number {
    const hash = hashOf(id, value);
    const place = hash & (this.owners.length - 1);
    const isOwn = this.owners[place] === hash;
    const known = isOwn ? (this.values[place] as number) : value;
    if (next === value) return known;
    this.values[place] = next;
    if (!isOwn) {
      this.owners[place] = hash;
      this.taken++;
    }
    if (this.taken >= this.owners.length && this.owners.length < MAX_ENTRIES) this.grow();
    return known;
  }

  /** Each entry moves to one of two places that no other entry can take, so none is lost. */
  private grow(): void {
    const { owners, values } = this;
    const size = owners.length * 2;
    this.owners = new Int32Array(size);
    this.values = new Float64Array(size);
    this.taken = 0;
    for (let i = 0; i < owners.length; i++) {
      const hash = owners[i] as number;
      if (hash === 0) continue;
      this.owners[hash & (size - 1)] = hash;
      this.values[hash & (size - 1)] = values[i] as number;
    }
  }
}

/** Returns a hash that is never 0, because 0 marks a free place. */
function hashOf(id: number, value: number): number {
  let hash =
    Math.imul(id + 1, 0x2c1b3c6d) ^ Math.imul(value | 0, 0x297a2d39) ^ Math.floor(value / 0x1_0000_0000);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x85ebca6b);
  return (hash ^ (hash >>> 13)) | 0x80000000;
}

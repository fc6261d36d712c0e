const ENTRIES = 1 << 11;

/** What came after a number the last time, for all series of a codec: the newest that share a place. */
export class Successors {
  private readonly owners = new Int32Array(ENTRIES);
  private readonly values = new Float64Array(ENTRIES);

  get bytes(): number {
    return this.owners.byteLength + this.values.byteLength;
  }

  /** What followed `value` in series `id`; `value` itself when that is not known. */
  get(id: number, value: number): number {
    const hash = hashOf(id, value);
    const place = hash & (ENTRIES - 1);
    return this.owners[place] === hash ? (this.values[place] as number) : value;
  }

  set(id: number, value: number, next: number): void {
    const hash = hashOf(id, value);
    const place = hash & (ENTRIES - 1);
    this.owners[place] = hash;
    this.values[place] = next;
  }
}

/** Never 0, which owns what is free. */
function hashOf(id: number, value: number): number {
  let hash =
    Math.imul(id + 1, 0x2c1b3c6d) ^ Math.imul(value | 0, 0x297a2d39) ^ Math.floor(value / 0x1_0000_0000);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x85ebca6b);
  return (hash ^ (hash >>> 13)) | 0x80000000;
}

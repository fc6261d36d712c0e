/** Contexts that belong together, as the nodes of a small tree do, lie together; the first of a slot is never used. */
const SLOT = 16;
/** Slots at first. */
const MIN_SLOTS = 1 << 7;
/** A context counts no further: so it follows what changes. */
const MAX_COUNT = 60;
/** Until it has seen so many bits, a context is young. */
const YOUNG = 3;
/** Chances stay so far from certainty, in 65,536ths. */
const MARGIN = 20;
const EVEN = 32_768;

/** By how much a context moves towards a bit, in 16,384ths: 1 / (count + 1.6). */
const RATES = Uint16Array.from({ length: MAX_COUNT + 1 }, (_, count) => Math.floor(163_840 / (10 * count + 16)));

/**
 * Adaptive chances of bits, in slots that are found by hash. It grows as more are used; at its bound, what was used least
 * of two makes room.
 */
export class Contexts {
  chances: Uint16Array = new Uint16Array(MIN_SLOTS * SLOT).fill(EVEN);
  private counts = new Uint8Array(MIN_SLOTS * SLOT);
  /** The hash that each slot belongs to; 0: nobody's. */
  private owners = new Int32Array(MIN_SLOTS);
  private mask = MIN_SLOTS - 1;
  /** Slots taken since it grew, also from others. */
  private taken = 0;

  constructor(private readonly maxSlots: number) {}

  get bytes(): number {
    return this.chances.length * 3 + this.owners.length * 4;
  }

  /** Index of the slot for something in a situation: contexts 1 to 15 from there. */
  slot(what: number, situation: number): number {
    let hash = Math.imul(what, 0x2c1b3c6d) ^ Math.imul(situation + 1, 0x297a2d39);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0x85ebca6b);
    hash = hash ^ (hash >>> 13) | 1 << 31;
    const { owners } = this;
    const home = hash & this.mask;
    if (owners[home] === hash) return home * SLOT;
    const other = home ^ 1;
    if (owners[other] === hash) return other * SLOT;
    return this.take(hash, home, other);
  }

  private take(hash: number, home: number, other: number): number {
    const { owners, counts } = this;
    let place = home;
    if (owners[home] !== 0 && (owners[other] === 0 || this.usesOf(other) < this.usesOf(home))) place = other;
    this.taken++;
    const start = place * SLOT;
    if (owners[place] !== 0) {
      this.chances.fill(EVEN, start, start + SLOT);
      counts.fill(0, start, start + SLOT);
    }
    owners[place] = hash;
    return start;
  }

  private usesOf(place: number): number {
    return this.counts[place * SLOT + 1] as number;
  }

  /** Of a 1, in 65,536ths. */
  chance(index: number): number {
    return this.chances[index] as number;
  }

  isYoung(index: number): boolean {
    return (this.counts[index] as number) < YOUNG;
  }

  /** How much a context knows, from 0 to 3. */
  age(index: number): number {
    const count = this.counts[index] as number;
    return count < 2 ? 0 : count < 6 ? 1 : count < 24 ? 2 : 3;
  }

  learn(index: number, bit: number): void {
    const chance = this.chances[index] as number;
    const count = this.counts[index] as number;
    const moved = chance + ((((bit === 1 ? 65_536 : 0) - chance) * (RATES[count] as number)) >> 14);
    this.chances[index] = moved < MARGIN ? MARGIN : moved > 65_536 - MARGIN ? 65_536 - MARGIN : moved;
    if (count < MAX_COUNT) this.counts[index] = count + 1;
  }

  /** To be called between messages: indexes change. */
  growIfCrowded(): void {
    const slots = this.owners.length;
    if (slots >= this.maxSlots || this.taken * 2 < slots) return;
    const { chances, counts, owners } = this;
    this.chances = new Uint16Array(slots * 2 * SLOT).fill(EVEN);
    this.counts = new Uint8Array(slots * 2 * SLOT);
    this.owners = new Int32Array(slots * 2);
    this.mask = slots * 2 - 1;
    for (let place = 0; place < slots; place++) {
      const hash = owners[place] as number;
      if (hash === 0) continue;
      const home = hash & this.mask;
      const start = this.take(hash, home, home ^ 1);
      this.chances.set(chances.subarray(place * SLOT, place * SLOT + SLOT), start);
      this.counts.set(counts.subarray(place * SLOT, place * SLOT + SLOT), start);
    }
    this.taken = 0;
  }
}

/** Contexts that belong together, as the nodes of a small tree do, lie together: 1 to 15 of a slot; 0 is not used. */
const SLOT = 16;
/** Slots at first: 7 KB. */
const MIN_SLOTS = 1 << 7;
/** Bytes of a slot: chances, counts and its owner. */
const SLOT_BYTES = SLOT * 3 + 4;
/** A context counts no further: so it follows what changes. */
const MAX_COUNT = 60;
/** Bits until a context speaks for itself. */
const YOUNG = 3;
/** Chances stay so far from certainty, in 65,536ths. */
const MARGIN = 20;
const ONE = 65_536;
const EVEN = 32_768;

/** By how much a context moves towards a bit, in 16,384ths: 1 / (count + 1.6). */
const RATES = Uint16Array.from({ length: MAX_COUNT + 1 }, (_, count) =>
  Math.floor(163_840 / (10 * count + 16)),
);

/**
 * Adaptive chances of bits, in slots that are found by hash and belong to one situation each. It grows as more are used;
 * at its bound, what was used least of two makes room.
 */
export class Contexts {
  /** Of a 1, in 65,536ths. */
  chances: Uint16Array = new Uint16Array(MIN_SLOTS * SLOT).fill(EVEN);
  private counts = new Uint8Array(MIN_SLOTS * SLOT);
  /** The hash that each slot belongs to; 0: nobody's. */
  private owners = new Int32Array(MIN_SLOTS);
  private mask = MIN_SLOTS - 1;
  /** Slots taken since it grew, free ones and others'. */
  private taken = 0;

  constructor(private readonly maxSlots: number) {}

  get bytes(): number {
    return this.owners.length * SLOT_BYTES;
  }

  /** Where the contexts of something in a situation begin. */
  slot(id: number, situation: number): number {
    let hash = Math.imul(id, 0x2c1b3c6d) ^ Math.imul(situation + 1, 0x297a2d39);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0x85ebca6b);
    hash = (hash ^ (hash >>> 13)) | 0x80000000;
    const { owners } = this;
    const home = hash & this.mask;
    if (owners[home] === hash) return home * SLOT;
    if (owners[home ^ 1] === hash) return (home ^ 1) * SLOT;
    return this.take(hash, home, home ^ 1);
  }

  private take(hash: number, home: number, other: number): number {
    const { owners } = this;
    const place =
      owners[home] !== 0 && (owners[other] === 0 || this.usesOf(other) < this.usesOf(home)) ? other : home;
    const start = place * SLOT;
    if (owners[place] !== 0) {
      const { chances, counts } = this;
      for (let i = start; i < start + SLOT; i++) {
        chances[i] = EVEN;
        counts[i] = 0;
      }
    }
    owners[place] = hash;
    this.taken++;
    return start;
  }

  private usesOf(place: number): number {
    return this.counts[place * SLOT + 1] as number;
  }

  /** Of a 1, in 65,536ths. */
  chance(context: number): number {
    return this.chances[context] as number;
  }

  /** It has seen too little to speak for itself. */
  isYoung(context: number): boolean {
    return (this.counts[context] as number) < YOUNG;
  }

  /** How much a context has seen, from 0 to 3. */
  age(context: number): number {
    const count = this.counts[context] as number;
    return count < 2 ? 0 : count < 6 ? 1 : count < 24 ? 2 : 3;
  }

  learn(context: number, bit: number): void {
    const chance = this.chances[context] as number;
    const count = this.counts[context] as number;
    const moved = chance + (((bit * ONE - chance) * (RATES[count] as number)) >> 14);
    this.chances[context] = moved < MARGIN ? MARGIN : moved > ONE - MARGIN ? ONE - MARGIN : moved;
    if (count < MAX_COUNT) this.counts[context] = count + 1;
  }

  /** Those at `place` of the first `count` slots. */
  learnAll(slots: Int32Array, place: number, count: number, bit: number): void {
    const { chances, counts } = this;
    const target = bit === 1 ? ONE : 0;
    for (let i = 0; i < count; i++) {
      const context = (slots[i] as number) + place;
      const seen = counts[context] as number;
      const chance = chances[context] as number;
      const moved = chance + (((target - chance) * (RATES[seen] as number)) >> 14);
      chances[context] = moved < MARGIN ? MARGIN : moved > ONE - MARGIN ? ONE - MARGIN : moved;
      if (seen < MAX_COUNT) counts[context] = seen + 1;
    }
  }

  /** Where contexts lie changes: to be called between symbols. */
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

/**
 * Contexts of a slot. Contexts that belong together, as the nodes of a small tree do, lie in one slot, at 1 to 15. 0 is
 * not used.
 */
const SLOT = 16;
/** Slots at first: 9 KB. */
const MIN_SLOTS = 1 << 7;
/** Bytes of a slot: cells and its owner. */
const SLOT_BYTES = SLOT * 4 + 4;
/** Largest count of a context. The bound lets the context follow chances that change. */
const MAX_COUNT = 60;
/** Bits that a context must see before its own chance is used alone. */
const YOUNG = 3;
/** Bits that a context must see before it may be sure. */
const SURE = 16;
/** A context is sure while the less likely bit has a smaller chance, in 65,536ths. */
const DOUBT = 4_096;
/** Least distance of a chance from certainty, in 65,536ths. */
const MARGIN = 20;
const ONE = 65_536;

/** Bits of the count in a cell. A cell is a chance, and below it the number of times that it has learned. */
export const COUNT_BITS = 8;
const COUNT_MASK = (1 << COUNT_BITS) - 1;
const NEW_CELL = (ONE / 2) << COUNT_BITS;

/** How far a context moves towards a bit, by its count, in 16,384ths: 1 / (count + 1.6). */
const RATES = Uint16Array.from({ length: COUNT_MASK + 1 }, (_, count) =>
  Math.floor(163_840 / (10 * Math.min(count, MAX_COUNT) + 16)),
);

/** Returns a cell after one more bit. */
export function learned(cell: number, bit: number): number {
  const chance = cell >> COUNT_BITS;
  const count = cell & COUNT_MASK;
  const moved = chance + (Math.imul((bit << 16) - chance, RATES[count] as number) >> 14);
  const kept = moved < MARGIN ? MARGIN : moved > ONE - MARGIN ? ONE - MARGIN : moved;
  return (kept << COUNT_BITS) | (count < MAX_COUNT ? count + 1 : count);
}

/** Whether a context has seen enough, and is certain enough, to need no other context beside it. */
export function isSure(cell: number): boolean {
  const chance = cell >> COUNT_BITS;
  return (cell & COUNT_MASK) >= SURE && (chance < DOUBT || chance > ONE - DOUBT);
}

const AGES = Uint8Array.from({ length: COUNT_MASK + 1 }, (_, count) =>
  count < 6 ? (count < 2 ? 0 : 1) : count < 24 ? 2 : 3,
);

/** How much a context has seen, from 0 to 3. */
export function ageOf(cell: number): number {
  return AGES[cell & COUNT_MASK] as number;
}

/**
 * Adaptive chances of bits, in slots. Each slot belongs to one situation, and is found by a hash. The table grows as
 * more slots are used. At its bound, a new situation takes the less used of two slots.
 */
export class Contexts {
  /** Cells, by slot and by place in the slot. */
  cells: Int32Array = new Int32Array(MIN_SLOTS * SLOT).fill(NEW_CELL);
  /** Hash of the situation that each slot belongs to; 0: no owner. */
  private owners = new Int32Array(MIN_SLOTS);
  private mask = MIN_SLOTS - 1;
  /** Slots taken since the table grew, whether they were free or had an owner. */
  private taken = 0;

  constructor(private readonly maxSlots: number) {}

  get bytes(): number {
    return this.owners.length * SLOT_BYTES;
  }

  /** Returns where the slot of a situation begins. `id`: the purpose of its contexts. */
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
      const { cells } = this;
      // Quicker than `fill` for so few cells.
      for (let i = start; i < start + SLOT; i++) cells[i] = NEW_CELL;
    }
    owners[place] = hash;
    this.taken++;
    return start;
  }

  private usesOf(place: number): number {
    return this.seen(place * SLOT + 1);
  }

  /** Chance of a 1, in 65,536ths. */
  chance(context: number): number {
    return (this.cells[context] as number) >> COUNT_BITS;
  }

  /** Whether the context has seen too little to be used alone. */
  isYoung(context: number): boolean {
    return this.seen(context) < YOUNG;
  }

  isSure(context: number): boolean {
    return isSure(this.cells[context] as number);
  }

  /** Number of bits that the context has seen, up to 60. */
  seen(context: number): number {
    return (this.cells[context] as number) & COUNT_MASK;
  }

  learn(context: number, bit: number): void {
    this.cells[context] = learned(this.cells[context] as number, bit);
  }

  /** Grows the table if many slots were taken. Contexts then move, so call it only between symbols. */
  growIfCrowded(): void {
    const slots = this.owners.length;
    if (this.taken * 4 >= slots && slots < this.maxSlots) this.grow(slots);
  }

  private grow(slots: number): void {
    const { cells, owners } = this;
    this.cells = new Int32Array(slots * 2 * SLOT).fill(NEW_CELL);
    this.owners = new Int32Array(slots * 2);
    this.mask = slots * 2 - 1;
    for (let place = 0; place < slots; place++) {
      const hash = owners[place] as number;
      if (hash === 0) continue;
      const home = hash & this.mask;
      const start = this.take(hash, home, home ^ 1);
      this.cells.set(cells.subarray(place * SLOT, place * SLOT + SLOT), start);
    }
    this.taken = 0;
  }
}

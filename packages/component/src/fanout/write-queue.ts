import type { ClientLink } from "../links/client-link.js";

/** Parts of a tick; links that are spread over it leave in the one that their own phase tells. */
export const PHASES = 5;

/** Of `ClientLink.queue`: in no queue; with the next write; every other number is a phase of a tick. */
export const NOT_QUEUED = -1;
const NEXT = 0;

/**
 * Links with something to write: those of the next write, and those of a large tick whose phase comes later. A link is in one of them at
 * most, which it knows itself; an entry that disagrees with its link is an old one. Sets would cost each stanza more than making it.
 */
export class WriteQueue {
  private next: ClientLink[] = [];
  private readonly phased = Array.from({ length: PHASES }, (): ClientLink[] => []);

  /** Entries of the next write, old ones too. */
  get size(): number {
    return this.next.length;
  }
  get isSpread(): boolean {
    return this.phased.some(({ length }) => length > 0);
  }

  /** With the next write, also where it was to leave later. */
  add(link: ClientLink): void {
    if (link.queue === NEXT) return;
    link.queue = NEXT;
    this.next.push(link);
  }

  /** It has nothing to write any more. */
  remove(link: ClientLink): void {
    link.queue = NOT_QUEUED;
  }

  /** Where it was to leave later, it leaves with the next write. */
  hurry(link: ClientLink): void {
    if (link.queue > NEXT) this.add(link);
  }

  /** Those of the next write leave at their phases; those of the first one stay. */
  spread(): void {
    for (const link of this.take(NEXT)) {
      const phase = link.phase % PHASES;
      if (phase === NEXT) this.add(link);
      else {
        link.queue = phase;
        this.phased[phase]?.push(link);
      }
    }
  }

  /** Those that were to leave later leave with the next write. */
  gather(): void {
    for (let phase = 1; phase < PHASES; phase++) for (const link of this.take(phase)) this.add(link);
  }

  clear(): void {
    for (let phase = 0; phase < PHASES; phase++) this.take(phase);
  }

  /** Takes those of the next write, or of a phase. */
  take(phase: number = NEXT): ClientLink[] {
    const entries = phase === NEXT ? this.next : (this.phased[phase] as ClientLink[]);
    if (phase === NEXT) this.next = [];
    else this.phased[phase] = [];
    let count = 0;
    for (const link of entries) {
      if (link.queue !== phase) continue;
      link.queue = NOT_QUEUED;
      entries[count++] = link;
    }
    entries.length = count;
    return entries;
  }
}

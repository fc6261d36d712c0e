/** Incarnations of one service's publishers whose last sequence is remembered. 8: devices that take turns, with some restarts in between. */
const MAX_REMEMBERED = 8;

/**
 * How far each of those who wrote a service last had come: what one of them sends again is dropped, also when another
 * wrote in between.
 */
export class Incarnations {
  /** Last sequence by incarnation; the one that wrote last comes last. */
  private readonly sequences = new Map<number, number>();
  /** The one that writes; 0: none has. */
  current = 0;

  /** Last sequence of the one that writes. */
  get sequence(): number {
    return this.sequenceOf(this.current);
  }

  /** 0: it has written nothing, or is not remembered. */
  sequenceOf(incarnation: number): number {
    return this.sequences.get(incarnation) ?? 0;
  }

  /** `incarnation` writes from now on. The one that wrote longest ago is forgotten when there are too many. */
  enter(incarnation: number): void {
    if (incarnation === this.current) return;
    this.current = incarnation;
    const sequence = this.sequenceOf(incarnation);
    this.sequences.delete(incarnation);
    this.sequences.set(incarnation, sequence);
    if (this.sequences.size <= MAX_REMEMBERED) return;
    const [oldest] = this.sequences.keys();
    this.sequences.delete(oldest as number);
  }

  /** The one that writes has come to `sequence`. */
  advance(sequence: number): void {
    this.sequences.set(this.current, sequence);
  }
}

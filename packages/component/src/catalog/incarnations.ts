/**
 * Most incarnations of one service whose last sequence is remembered. 8: devices that take turns, with some restarts in
 * between.
 */
const MAX_REMEMBERED = 8;

/**
 * The last sequences of the incarnations that wrote into a service. The component drops what an incarnation sends
 * again, even if another one wrote in between.
 */
export class Incarnations {
  /** Last sequence by incarnation. The incarnation that wrote last comes last. */
  private readonly sequences = new Map<number, number>();
  /** The incarnation that writes now. 0: none has written. */
  current = 0;

  /** Last sequence of the incarnation that writes now. */
  get sequence(): number {
    return this.sequenceOf(this.current);
  }

  /** Returns the last sequence of an incarnation. 0: it has written nothing, or is not remembered. */
  sequenceOf(incarnation: number): number {
    return this.sequences.get(incarnation) ?? 0;
  }

  /** `incarnation` writes from now on. If too many are remembered, the one that wrote longest ago is forgotten. */
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

  /** The incarnation that writes now has come to `sequence`. */
  advance(sequence: number): void {
    this.sequences.set(this.current, sequence);
  }
}

/**
 * One subscriber's account of one service. Every position must be received once, or be reported as lost or left out, in
 * order.
 */
export class Ledger {
  /** Number of updates received. */
  got = 0;
  lost = 0;
  conflated = 0;
  /** Positions out of order, reported twice, not reported, or with another position's value. */
  faults = 0;
  /** The last position that is accounted for. */
  private last: number | undefined;

  get position(): number {
    return this.last ?? 0;
  }

  update(offset: number, sequence: number): void {
    this.got++;
    if (offset !== sequence) this.faults++;
    this.advance(offset, offset);
  }

  lose(from: number, to: number): void {
    this.lost += to - from + 1;
    this.advance(from, to);
  }

  conflate(from: number, to: number): void {
    this.conflated += to - from + 1;
    this.advance(from, to);
  }

  /** Positions began anew, so earlier positions mean nothing. */
  reset(): void {
    this.faults++;
  }

  private advance(from: number, to: number): void {
    if (this.last !== undefined && from !== this.last + 1) this.faults += Math.abs(from - this.last - 1);
    this.last = to;
  }
}

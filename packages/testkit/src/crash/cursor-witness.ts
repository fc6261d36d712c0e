import type { Witness } from "./witness.js";

interface Position {
  readonly epoch: number;
  readonly offset: number;
}

/**
 * Watches a log that one process after another reads by a named cursor. A process begins at the cursor: behind the
 * place where the cursor was seen last, and at or before the first update that did not arrive yet. So updates may come
 * again at its beginning. Everything else is as the `witness` demands.
 */
export class CursorWitness {
  /** Updates that came again when a process began. */
  repeated = 0;
  /** Where the cursor was seen last. */
  private known: Position | undefined;
  /** The offset of the next update of a process that still repeats. Undefined: it begins now. */
  private next: number | undefined;
  private repeats = false;

  constructor(private readonly witness: Witness) {}

  /** Another process begins at the cursor. */
  begins(): void {
    this.witness.readOn();
    this.repeats = true;
    this.next = undefined;
  }

  update(n: number, epoch: number, offset: number): void {
    if (this.repeats && this.isRepeated(n, epoch, offset)) this.repeated++;
    else this.witness.update(n, epoch, offset);
  }

  private isRepeated(n: number, epoch: number, offset: number): boolean {
    const { witness, known } = this;
    const last = witness.position;
    if (last?.epoch !== epoch) {
      this.repeats = false;
      return false;
    }
    if (this.next === undefined) {
      if (known !== undefined && offset <= known.offset)
        witness.fault(
          `expected that a process begins behind offset ${known.offset}, where the cursor was, but it began with ${offset}`,
        );
    } else if (offset !== this.next)
      witness.fault(`expected offset ${this.next} next, but ${offset} came (update ${n})`);
    this.next = offset + 1;
    if (offset > last.offset) {
      this.repeats = false;
      return false;
    }
    const before = witness.last - (last.offset - offset);
    if (n !== before) witness.fault(`offset ${offset} was update ${before}, and came again as update ${n}`);
    return true;
  }

  /** Where the cursor must be once everything was taken. */
  get end(): Position | undefined {
    return this.witness.position;
  }

  /** The cursor was seen at this place. It must not be before the place where it was seen earlier. */
  sees(cursor: Position): void {
    const { known } = this;
    if (known?.epoch === cursor.epoch && cursor.offset < known.offset)
      this.witness.fault(
        `expected the cursor at offset ${known.offset} or later, but it is at ${cursor.offset}`,
      );
    this.known = { epoch: cursor.epoch, offset: cursor.offset };
  }
}

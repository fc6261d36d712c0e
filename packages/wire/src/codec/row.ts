import type { NumberModel } from "./number-model.js";

/** What was coded so far, of the row that is being coded: it tells something of the rest. */
export class Row {
  /** Its numbers, in their order. */
  readonly numbers: NumberModel[] = [];
  /** Class of its last leaf. */
  leafClass = 0;
  /** Which text, truth value or null came last, whatever else came since; 0: none yet. */
  word = 0;
  /** Containers that are not what they were. */
  others = 0;

  begin(): void {
    this.numbers.length = 0;
    this.leafClass = 0;
    this.word = 0;
    this.others = 0;
  }
}

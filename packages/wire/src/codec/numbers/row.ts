import type { NumberModel } from "./number-model.js";

/** What was coded so far, of the row that is being coded: it tells something of the rest. */
export class Row {
  /** What coded its last number, and the one before. */
  newest: NumberModel | undefined;
  secondNewest: NumberModel | undefined;
  /** Class of its last leaf. */
  leafClass = 0;
  /** Which text, truth value or null came last, whatever else came since; 0: none yet. */
  word = 0;
  /** Containers that are not what they were. */
  others = 0;

  begin(): void {
    this.newest = this.secondNewest = undefined;
    this.leafClass = 0;
    this.word = 0;
    this.others = 0;
  }
}

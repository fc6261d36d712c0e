import type { NumberModel } from "./number-model.js";

/** State of the row that is being coded. The part that is coded helps to code the rest. */
export class Row {
  /** Models of its last number and of the number before. */
  newest: NumberModel | undefined;
  secondNewest: NumberModel | undefined;
  /** Class of its last value. */
  leafClass = 0;
  /** Number of the text, truth value or null that came last, whatever else came since; 0: none yet. */
  word = 0;
  /** Number of its containers that are not the same as before. */
  others = 0;

  begin(): void {
    this.newest = this.secondNewest = undefined;
    this.leafClass = 0;
    this.word = 0;
    this.others = 0;
  }
}

import { StanzapackError } from "../base/errors.js";
import type { DataBatch } from "../bodies/data-reader.js";

/** Event of a DATA frame for its receiver. Events are in the order in which they count. */
export type PositionEvent<Row> =
  /** `from`: the receiver's position in the old epoch. `to`: the first position of the frame, in the new epoch. */
  | { readonly event: "reset"; readonly epoch: number; readonly from: number; readonly to: number }
  | { readonly event: "lost" | "conflated"; readonly from: number; readonly to: number }
  | {
      readonly event: "row";
      readonly epoch: number;
      readonly offset: number;
      readonly at: number;
      readonly row: Row;
    };

/**
 * Position of a receiver in one service. It drops repeated rows, and reports missing positions as a range: `conflated`
 * if the sender left them out on purpose, `lost` if they should have arrived. It reports `reset` if offsets began anew.
 */
export class Position {
  private epoch: number | undefined;
  private offset: number;

  /** `start`: the position that the receiver already has. */
  constructor(start?: { readonly epoch: number; readonly offset: number }) {
    this.epoch = start?.epoch;
    this.offset = start?.offset ?? 0;
  }

  /** Sets the position from which the receiver begins, if it has none yet. */
  begin(start: { readonly epoch: number; readonly offset: number }): void {
    if (this.epoch !== undefined) return;
    this.epoch = start.epoch;
    this.offset = start.offset;
  }

  get current(): { readonly epoch: number; readonly offset: number } | undefined {
    return this.epoch === undefined ? undefined : { epoch: this.epoch, offset: this.offset };
  }

  /**
   * Returns the events of one frame. `at` of the frame counts from `baseAt`. Throws `malformed` for more rows than
   * positions.
   */
  advance<Row>(batch: DataBatch<Row>, baseAt: number): PositionEvent<Row>[] {
    const { epoch, from, to, rows } = batch;
    const firstRow = to - rows.length + 1;
    if (firstRow < from)
      throw new StanzapackError("malformed", `DATA of ${from}..${to} has ${rows.length} rows`, {
        origin: "peer",
      });
    const events: PositionEvent<Row>[] = [];
    if (this.epoch === undefined) {
      // Nothing before the first row was promised to this receiver.
      this.offset = firstRow - 1;
    } else if (this.epoch !== epoch) {
      events.push({ event: "reset", epoch, from: this.offset, to: from });
      this.offset = from - 1;
    }
    this.epoch = epoch;
    if (from > this.offset + 1) {
      events.push({ event: "lost", from: this.offset + 1, to: from - 1 });
      this.offset = from - 1;
    }
    if (firstRow > this.offset + 1) {
      events.push({ event: "conflated", from: this.offset + 1, to: firstRow - 1 });
      this.offset = firstRow - 1;
    }
    const step = rows.length > 1 ? batch.spanMs / (rows.length - 1) : 0;
    for (let i = Math.max(0, this.offset - firstRow + 1); i < rows.length; i++) {
      const at = Math.round(baseAt + batch.at - step * (rows.length - 1 - i));
      events.push({ event: "row", epoch, offset: firstRow + i, at, row: rows[i] as Row });
    }
    this.offset = Math.max(this.offset, to);
    return events;
  }
}

import { SEQ_COUNT } from "./bytestream-sender.js";

/** Numbers that the low 12 bits tell apart. */
const LEAN_SEQ_COUNT = 4_096;

/** `next`: the one that is due. `repeated`: it came before. `missing`: one before it did not come. */
export type Turn = "next" | "repeated" | "missing";

/** The order of one direction's blocks, of both kinds (XEP-0047 §2.2): what comes out of turn is found before it is decoded. */
export class BlockOrder {
  /** The number that is due. */
  due = 0;
  private receivedCount = 0;

  /** Of a whole number. */
  turnOf(seq: number): Turn {
    if (seq === this.due) return "next";
    const behind = (this.due - seq + SEQ_COUNT) % SEQ_COUNT;
    return behind <= Math.min(this.receivedCount, SEQ_COUNT / 2) ? "repeated" : "missing";
  }

  /** The whole number that these 12 bits stand for: the nearest, since no more than 2,047 stanzas are out. */
  nearest(low: number): number {
    const ahead = (low - this.due) & (LEAN_SEQ_COUNT - 1);
    const distance = ahead < LEAN_SEQ_COUNT / 2 ? ahead : ahead - LEAN_SEQ_COUNT;
    return (this.due + distance + SEQ_COUNT) % SEQ_COUNT;
  }

  /** The one that was due has come. */
  advance(): void {
    this.due = (this.due + 1) % SEQ_COUNT;
    this.receivedCount++;
  }
}

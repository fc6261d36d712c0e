import { SEQ_COUNT } from "./bytestream-sender.js";

/** Numbers that 12 bits can distinguish. */
const LEAN_SEQ_COUNT = 4_096;

/** `next`: the expected number. `repeated`: it arrived before. `missing`: a number before it has not arrived. */
export type Turn = "next" | "repeated" | "missing";

/**
 * The order of one direction's blocks, IBB and lean (XEP-0047 §2.2). It finds a block out of turn before the block is
 * decoded.
 */
export class BlockOrder {
  /** The expected number. */
  due = 0;
  private receivedCount = 0;

  /** Turn of a whole number, from 0 to 65,535. */
  turnOf(seq: number): Turn {
    if (seq === this.due) return "next";
    const behind = (this.due - seq + SEQ_COUNT) % SEQ_COUNT;
    return behind <= Math.min(this.receivedCount, SEQ_COUNT / 2) ? "repeated" : "missing";
  }

  /** The whole number with these low 12 bits that is nearest to `due`. At most 2,047 stanzas are outstanding. */
  nearest(low: number): number {
    const ahead = (low - this.due) & (LEAN_SEQ_COUNT - 1);
    const distance = ahead < LEAN_SEQ_COUNT / 2 ? ahead : ahead - LEAN_SEQ_COUNT;
    return (this.due + distance + SEQ_COUNT) % SEQ_COUNT;
  }

  /** Call when the expected block has arrived. */
  advance(): void {
    this.due = (this.due + 1) % SEQ_COUNT;
    this.receivedCount++;
  }
}

import { monotonicNow } from "@stanzapack/xmpp";

/**
 * Stages of an update's way through the component, in their order:
 *
 * - `read`: its frame is decoded.
 * - `store`: the kind keeps it. With durability `sync` that includes the disk.
 * - `wait`: it waits in a lane for the lane's tick.
 * - `encode`: the lane's batch is encoded, and given to the links.
 * - `write`: the links' stanzas are written to the server's stream.
 */
export const STAGES = ["read", "store", "wait", "encode", "write"] as const;
export type Stage = (typeof STAGES)[number];

/** The way of updates that arrived together, through one of their lanes. Times are monotonic, in ms. */
export class UpdateTrace {
  readonly stages: { readonly stage: Stage; readonly from: number; readonly to: number }[] = [];
  private at: number;

  constructor(
    readonly startedAt: number,
    readonly attributes: Record<string, string | number>,
  ) {
    this.at = startedAt;
  }

  get endedAt(): number {
    return this.at;
  }

  /** This stage has ended now. It began when the stage before ended. */
  pass(stage: Stage, now = monotonicNow()): void {
    this.stages.push({ stage, from: this.at, to: now });
    this.at = now;
  }
}

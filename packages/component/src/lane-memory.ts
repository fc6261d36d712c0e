import type { ComponentLimits } from "./config.js";
import type { Lane } from "./lane.js";

/** After lanes were stripped so much of the bound is in use, and there may be new ones below it. */
const ROOMY = 0.75;

/** What all lanes' encoders hold together, within one bound: those that were idle longest make room, and send plain rows. */
export class LaneMemory {
  private readonly lanes = new Map<Lane, number>();
  private used = 0;

  constructor(private readonly limits: Pick<ComponentLimits, "maxLaneBytes">) {}

  /** Bytes in use. */
  get bytes(): number {
    return this.used;
  }
  /** A lane that sends plain rows may code. */
  get roomy(): boolean {
    return this.used <= this.limits.maxLaneBytes * ROOMY;
  }

  /** What a lane's encoder holds now. */
  tell(lane: Lane, bytes: number): void {
    this.used += bytes - (this.lanes.get(lane) ?? 0);
    if (bytes === 0) {
      this.lanes.delete(lane);
      return;
    }
    this.lanes.set(lane, bytes);
    if (this.used > this.limits.maxLaneBytes) this.makeRoom();
  }

  private makeRoom(): void {
    const byAge = [...this.lanes.keys()].sort((a, b) => a.lastFlushAt - b.lastFlushAt);
    for (const lane of byAge) {
      if (this.roomy) return;
      lane.strip();
    }
  }
}

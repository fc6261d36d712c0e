import type { ComponentLimits } from "../config/config.js";
import { Heaviest } from "../base/heaviest.js";

/** Share of the bound that is in use after lanes were stripped. Below this share, further lanes may code. */
const ROOMY = 0.75;

/** A lane, as far as the memory of its encoder is concerned. */
export interface EncodingLane {
  /** The bare JID whose memory the encoder counts as: the lane's payer, or the publisher of a lane without one. */
  readonly account: string;
  /** When a body left last, in ms. */
  readonly lastFlushAt: number;
  /** Drops the encoder, and calls `tell(lane, 0)`. */
  strip(): void;
}

/**
 * Bounds the memory that the encoders of all lanes hold together. Beyond the bound, the lanes of the account that holds
 * most make room, the idle ones first: they drop their encoders and send plain rows.
 */
export class LaneMemory {
  private readonly lanes = new Map<EncodingLane, { readonly bytes: number; readonly account: string }>();
  private readonly accounts = new Heaviest<string>();
  private used = 0;

  constructor(private readonly limits: Pick<ComponentLimits, "maxLaneBytes">) {}

  /** Bytes in use. */
  get bytes(): number {
    return this.used;
  }
  private get roomy(): boolean {
    return this.used <= this.limits.maxLaneBytes * ROOMY;
  }

  /**
   * Returns whether a lane that sends plain rows may code: if there is room, or another account holds more than twice
   * as much.
   */
  mayCode(lane: EncodingLane): boolean {
    if (this.roomy) return true;
    const { top } = this.accounts;
    return top !== undefined && this.accounts.get(lane.account) * 2 < this.accounts.get(top);
  }

  /** Counts what a lane's encoder holds now. Makes room if that exceeds the bound. */
  tell(lane: EncodingLane, bytes: number): void {
    const before = this.lanes.get(lane);
    if (before !== undefined) this.count(before.account, -before.bytes);
    const { account } = lane;
    this.count(account, bytes);
    if (bytes === 0) {
      this.lanes.delete(lane);
      return;
    }
    this.lanes.set(lane, { bytes, account });
    if (this.used > this.limits.maxLaneBytes) this.makeRoom();
  }

  private count(account: string, bytes: number): void {
    this.used += bytes;
    this.accounts.add(account, bytes);
  }

  private makeRoom(): void {
    /** The lanes of each account. The lane that was idle longest comes last. */
    const byAccount = new Map<string, EncodingLane[]>();
    const byAge = [...this.lanes].sort(([a], [b]) => b.lastFlushAt - a.lastFlushAt);
    for (const [lane, { account }] of byAge) {
      const theirs = byAccount.get(account);
      if (theirs === undefined) byAccount.set(account, [lane]);
      else theirs.push(lane);
    }
    while (!this.roomy) {
      const { top } = this.accounts;
      const lane = top === undefined ? undefined : byAccount.get(top)?.pop();
      if (lane === undefined) return;
      lane.strip();
    }
  }
}

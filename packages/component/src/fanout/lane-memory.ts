import type { ComponentLimits } from "../config/config.js";
import { Heaviest } from "../base/heaviest.js";
import type { Lane } from "./lane.js";

/** After lanes were stripped so much of the bound is in use, and there may be new ones below it. */
const ROOMY = 0.75;

/**
 * What all lanes' encoders hold together, within one bound. Those of the account that holds most make room, idle ones first, and send
 * plain rows. A lane is its payer's, or its publisher's while it has none.
 */
export class LaneMemory {
  private readonly lanes = new Map<Lane, { readonly bytes: number; readonly account: string }>();
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

  /** A lane that sends plain rows may code: there is room, or others hold more than twice as much as its account. */
  mayCode(lane: Lane): boolean {
    if (this.roomy) return true;
    const { top } = this.accounts;
    return top !== undefined && this.accounts.get(accountOf(lane)) * 2 < this.accounts.get(top);
  }

  /** What a lane's encoder holds now. */
  tell(lane: Lane, bytes: number): void {
    const before = this.lanes.get(lane);
    if (before !== undefined) this.count(before.account, -before.bytes);
    const account = accountOf(lane);
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
    /** The one that was idle longest comes last. */
    const byAccount = new Map<string, Lane[]>();
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

function accountOf({ payer, service }: Lane): string {
  return payer?.bareJid ?? service.id.owner;
}

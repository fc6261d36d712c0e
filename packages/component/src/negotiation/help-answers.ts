/**
 * Answers that one account receives at once, and the time until one more, in ms. They suffice for a person who tries.
 * Two programs that answer each other soon stop.
 */
const BURST = 3;
const REFILL_MS = 600_000;
/** Most accounts that are remembered. Beyond, the accounts that were answered longest ago are forgotten. */
const MAX_ACCOUNTS = 1_000;

/**
 * The accounts that received an answer to a chat message lately. Pure: the clock is an argument, in ms, never stepping
 * back.
 */
export class HelpAnswers {
  private readonly given = new Map<string, { left: number; at: number }>();

  /** Returns whether this bare JID is answered now, and counts the answer. */
  take(bareJid: string, now: number): boolean {
    const { left, at } = this.given.get(bareJid) ?? { left: BURST, at: now };
    const level = Math.min(BURST, left + (now - at) / REFILL_MS);
    if (level < 1) return false;
    // The account moves to the end of the order, because it was answered last.
    this.given.delete(bareJid);
    this.given.set(bareJid, { left: level - 1, at: now });
    for (const oldest of this.given.keys()) {
      if (this.given.size <= MAX_ACCOUNTS) break;
      this.given.delete(oldest);
    }
    return true;
  }
}

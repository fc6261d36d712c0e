/** Answers that one account gets at once, and in how many ms it gets one more: a person who tries, not two programs that talk. */
const BURST = 3;
const REFILL_MS = 600_000;
/** Most accounts remembered; beyond, those that were answered longest ago are forgotten. */
const MAX_ACCOUNTS = 1_000;

/** Who has had an answer to a chat message lately. Pure: the clock is an argument, in ms, never stepping back. */
export class HelpAnswers {
  private readonly given = new Map<string, { left: number; at: number }>();

  /** Whether this bare JID is answered now. */
  take(bareJid: string, now: number): boolean {
    const { left, at } = this.given.get(bareJid) ?? { left: BURST, at: now };
    const level = Math.min(BURST, left + (now - at) / REFILL_MS);
    if (level < 1) return false;
    // At the end of the order: it was answered last.
    this.given.delete(bareJid);
    this.given.set(bareJid, { left: level - 1, at: now });
    for (const oldest of this.given.keys()) {
      if (this.given.size <= MAX_ACCOUNTS) break;
      this.given.delete(oldest);
    }
    return true;
  }
}

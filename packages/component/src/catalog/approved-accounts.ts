/** An approval is noted as used once in this time, in ms. One day: what is stored changes seldom. */
const DAY_MS = 86_400_000;

/** The accounts that a publisher has approved, by bare JID, and when each used its approval last. */
export class ApprovedAccounts {
  /** In ms since 1970. At most a day too early. */
  private readonly used = new Map<string, number>();

  get size(): number {
    return this.used.size;
  }

  has(jid: string): boolean {
    return this.used.has(jid);
  }

  /** `usedAt`: in ms since 1970. */
  add(jid: string, usedAt: number): this {
    this.used.set(jid, usedAt);
    return this;
  }

  delete(jid: string): boolean {
    return this.used.delete(jid);
  }

  /** The account subscribes, or its subscription goes on. Without an approval nothing happens. */
  use(jid: string, now: number): void {
    const before = this.used.get(jid);
    // The clock may have been set back.
    if (before !== undefined && Math.abs(now - before) >= DAY_MS) this.used.set(jid, now);
  }

  /** Ends the approvals that were last used before `before`, in ms since 1970. Returns the accounts. */
  expire(before: number): string[] {
    const ended = [...this.used].flatMap(([jid, usedAt]) => (usedAt < before ? [jid] : []));
    for (const jid of ended) this.used.delete(jid);
    return ended;
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.used.keys();
  }

  /** Returns when each account used its approval last, in the order of the accounts. */
  usedAt(): number[] {
    return [...this.used.values()];
  }
}

import { grantWindow, MAX_WINDOW_MS } from "@stanzapack/wire";

/** Time for which updates must leave faster before the service sends a narrower window, in ms. */
const NARROW_AFTER_MS = 10_000;

/**
 * The window in which updates of a service really leave, while the link cannot take them in the wanted window. The
 * service sends it to its subscribers, so that they know how old the newest update may be. It widens at once, and
 * narrows after 10 s.
 */
export class Pace {
  private told: number | null = null;
  /** Time since when a due update waits for room, in ms. */
  private waitingSince: number | undefined;
  private worstMs = 0;
  private since = 0;

  /**
   * Time to look again at a wider window that was sent, in ms, also if no update leaves until then. Undefined while the
   * window is as wanted.
   */
  get looksAt(): number | undefined {
    return this.told === null ? undefined : this.since + NARROW_AFTER_MS;
  }

  /** A due update waits for room, since `now` or before. */
  wait(now: number): void {
    this.waitingSince ??= now;
  }

  /** The link is gone: no update waits for room. */
  interrupt(): void {
    this.waitingSince = undefined;
  }

  /**
   * The link takes the waiting updates `now`. The updates before left at `lastFlushAt`. Returns the window to send,
   * null for the wanted window again, or undefined if nothing is new. All in ms.
   */
  flush(now: number, lastFlushAt: number, wantedMs: number): number | null | undefined {
    const { waitingSince } = this;
    this.waitingSince = undefined;
    const sinceDue = waitingSince === undefined ? 0 : now - waitingSince + wantedMs;
    return this.left(now, Math.min(now - lastFlushAt, sinceDue), waitingSince !== undefined, wantedMs);
  }

  /**
   * Updates left `now`, `intervalMs` after the updates before. `late`: they had to wait. Returns the same as `flush`.
   */
  left(now: number, intervalMs: number, late: boolean, wantedMs: number): number | null | undefined {
    if (late) this.worstMs = Math.max(this.worstMs, Math.min(intervalMs, MAX_WINDOW_MS));
    const windowMs = this.worstMs > wantedMs ? grantWindow(this.worstMs) : null;
    const wider = windowMs !== null && windowMs > (this.told ?? wantedMs);
    if (!wider && (this.told === null || now - this.since < NARROW_AFTER_MS)) {
      // While the window is as wanted, only the newest interval counts.
      if (this.told === null) this.worstMs = 0;
      return undefined;
    }
    this.since = now;
    this.worstMs = 0;
    if (windowMs === this.told) return undefined;
    this.told = windowMs;
    return windowMs;
  }

  /** A new link begins, on which no window was sent. */
  forget(): void {
    this.told = null;
    this.worstMs = 0;
  }
}

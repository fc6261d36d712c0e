import { grantWindow, MAX_WINDOW_MS } from "@stanzapack/wire";

/** So long the way must do better before a narrower window is told, in ms. */
const NARROW_AFTER_MS = 10_000;

/**
 * In which window a service's updates really leave while their way does not take them in the one wanted: subscribers are told, so
 * that they know how old the newest may be. Widened at once, narrowed after a while.
 */
export class Pace {
  private told: number | null = null;
  private worstMs = 0;
  private since = 0;

  /** When a wider window that was told is to be looked at again, also if nothing leaves until then; undefined while it is as wanted. */
  get looksAt(): number | undefined {
    return this.told === null ? undefined : this.since + NARROW_AFTER_MS;
  }

  /**
   * Updates left `intervalMs` after those before, `late`: they had to wait. Gives the window to tell, null for the wanted one again;
   * undefined: nothing new.
   */
  left(now: number, intervalMs: number, late: boolean, wantedMs: number): number | null | undefined {
    if (late) this.worstMs = Math.max(this.worstMs, Math.min(intervalMs, MAX_WINDOW_MS));
    const windowMs = this.worstMs > wantedMs ? grantWindow(this.worstMs) : null;
    const wider = windowMs !== null && windowMs > (this.told ?? wantedMs);
    if (!wider && (this.told === null || now - this.since < NARROW_AFTER_MS)) {
      // While it is as wanted, what was worst is of now alone.
      if (this.told === null) this.worstMs = 0;
      return undefined;
    }
    this.since = now;
    this.worstMs = 0;
    if (windowMs === this.told) return undefined;
    this.told = windowMs;
    return windowMs;
  }

  /** A new link, on which nothing was told. */
  forget(): void {
    this.told = null;
    this.worstMs = 0;
  }
}

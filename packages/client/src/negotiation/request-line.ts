import { StanzapackError } from "@stanzapack/wire";
import { monotonicNow, sleep } from "@stanzapack/xmpp";
import { toStanzapackError } from "../base/errors.js";

/** Most requests that wait for answers at once. 64 keep a server busy, and none of them waits behind many others. */
const MOST_OPEN = 64;
/** Longest time for which one refusal delays other requests, in ms. The refusal may be about its own request alone. */
const MAX_PAUSE_MS = 1_000;

interface Waiting {
  readonly ticket: number;
  /** Earliest time to send it, in ms of the monotonic clock. */
  readonly notBefore: number;
  readonly send: () => void;
}

/**
 * Sends requests to one component in the order of the calls, at most 64 at a time. After a refusal by `busy` one
 * request is open at a time. The number grows by one whenever that many were answered. So even among many requests, few
 * are refused again.
 */
export class RequestLine {
  private readonly waiting: Waiting[] = [];
  private tickets = 0;
  private open = 0;
  private mostOpen = MOST_OPEN;
  private pausedUntil = 0;
  private wakesAt = Infinity;
  /** When the component last took a request. */
  private takenAt = -Infinity;

  constructor(
    /** How long a request waits while the component takes none, in ms. */
    private readonly timeoutMs: number,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener("abort", () => this.next(), { once: true });
  }

  /**
   * Resolves with the result of `send`, which takes the time that is left, in ms. A request that is refused by `busy`
   * is sent again at the moment that the component names. Throws what `send` throws, as a `StanzapackError` whose text
   * begins with `doing`. Throws `timeout` if the component took no request of the line for `timeoutMs`, and `busy` if
   * it does not take a refused request within that time.
   */
  async run<T>(send: (timeoutMs: number) => Promise<T>, doing: string): Promise<T> {
    const ticket = this.tickets++;
    const asked = monotonicNow();
    // A refusal may be about this request alone. So after a refusal, other requests that are taken give it no more
    // time.
    let end: number | undefined;
    const deadline = (): number => end ?? Math.max(asked, this.takenAt) + this.timeoutMs;
    let refusal: StanzapackError | undefined;
    let turn = this.turn(ticket, 0);
    for (;;) {
      await turn;
      try {
        const leftMs = Math.ceil(deadline() - monotonicNow());
        if (leftMs <= 0) throw refusal ?? this.late(doing);
        const answer = await send(leftMs);
        this.taken();
        return answer;
      } catch (error) {
        const failure = toStanzapackError(error, doing);
        if (failure.code === "timeout" && refusal !== undefined) throw refusal;
        const { code, retryAfterMs } = failure;
        if (code !== "busy" || retryAfterMs === undefined) {
          if (failure.origin === "peer" && code !== "component-unavailable") this.taken();
          throw failure;
        }
        const now = monotonicNow();
        end ??= deadline();
        this.mostOpen = 1;
        if (retryAfterMs > MAX_PAUSE_MS) this.pausedUntil = now + MAX_PAUSE_MS;
        if (now + retryAfterMs > deadline() || this.signal.aborted) throw failure;
        refusal = failure;
        turn = this.turn(ticket, now + retryAfterMs);
      } finally {
        this.open--;
        this.next();
      }
    }
  }

  private taken(): void {
    this.takenAt = monotonicNow();
    this.mostOpen = Math.min(MOST_OPEN, this.mostOpen + 1 / this.mostOpen);
  }

  private late(doing: string): StanzapackError {
    return new StanzapackError(
      "timeout",
      `${doing}: no answer from the component within ${this.timeoutMs} ms`,
    );
  }

  private turn(ticket: number, notBefore: number): Promise<void> {
    return new Promise((resolve) => {
      // A new request is the last. A refused request returns to its place.
      const isLast = ticket === this.tickets - 1;
      const place = isLast ? -1 : this.waiting.findIndex((other) => other.ticket > ticket);
      this.waiting.splice(place < 0 ? this.waiting.length : place, 0, { ticket, notBefore, send: resolve });
      this.next();
    });
  }

  /** Sends the requests whose turn it is. */
  private next(): void {
    while (this.waiting.length > 0 && this.open < Math.floor(this.mostOpen)) {
      // A client that has ended fails each request at once.
      const now = this.signal.aborted ? Infinity : monotonicNow();
      if (now < this.pausedUntil) return this.wakeAt(this.pausedUntil);
      // A refused request keeps its place, because the component keeps the moment free that it named.
      const place = this.waiting.findIndex(({ notBefore }) => notBefore <= now + MAX_PAUSE_MS);
      const notBefore = this.waiting[place]?.notBefore ?? now + MAX_PAUSE_MS;
      if (notBefore > now) return this.wakeAt(notBefore);
      this.open++;
      this.waiting.splice(place, 1)[0]?.send();
    }
  }

  private wakeAt(moment: number): void {
    if (this.wakesAt <= moment) return;
    this.wakesAt = moment;
    void sleep(Math.ceil(moment - monotonicNow()), this.signal).then(() => {
      if (this.wakesAt !== moment) return;
      this.wakesAt = Infinity;
      this.next();
    });
  }
}

import { monotonicNow, type Connection } from "@stanzapack/xmpp";

/** Time between two questions to the server while somebody waits, in ms. */
const STEP_MS = 1_000;
/**
 * An answer that takes longer, in ms, shows that the server stood still. The stanzas that the server held back arrive
 * now.
 */
const STALLED_MS = 1_000;
/** Most times that a wait begins anew, so that a server that is always slow keeps nobody for ever. */
const MAX_RESTARTS = 10;

/**
 * Distinguishes a client that does not answer from a server that stands still. A deadline counts only while the server
 * answers. One question to the server serves everybody who waits.
 */
export class ServerWatch {
  private asking: Promise<boolean> | undefined;

  constructor(private readonly connection: Pick<Connection, "probe">) {}

  /**
   * Resolves with true when the server has answered for `ms` without standing still: what a client sent in that time
   * has arrived. Resolves with false when the stream to the server is lost first, or `signal` aborts.
   */
  async answeredFor(ms: number, signal?: AbortSignal): Promise<boolean> {
    let restarts = 0;
    for (let leftMs = ms; leftMs > 0;) {
      const stepMs = Math.min(STEP_MS, leftMs);
      await sleep(stepMs, signal);
      const askedAt = monotonicNow();
      if (signal?.aborted === true || !(await this.ask())) return false;
      const stalled = monotonicNow() - askedAt > STALLED_MS && restarts++ < MAX_RESTARTS;
      leftMs = stalled ? ms : leftMs - stepMs;
    }
    return signal?.aborted !== true;
  }

  private ask(): Promise<boolean> {
    return (this.asking ??= this.connection.probe().finally(() => (this.asking = undefined)));
  }
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal?.addEventListener("abort", finish, { once: true });
  });
}

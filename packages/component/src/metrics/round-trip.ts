import { monotonicNow, type Connection } from "@stanzapack/xmpp";

/** Time between two measurements, in ms. */
const EVERY_MS = 10_000;

/** Measures the time of a message to the server and back, again and again. */
export class RoundTrip {
  /** Called with each time, in ms. */
  onMeasured: ((ms: number) => void) | undefined;
  /** The last time, in ms. Undefined: none was measured, or the last message did not come back. */
  lastMs: number | undefined;
  private timer: NodeJS.Timeout | undefined;
  private measuring = false;

  constructor(private readonly connection: Pick<Connection, "state" | "probe" | "echoes">) {}

  /** Idempotent. */
  start(): void {
    this.timer ??= setInterval(() => void this.measure(), EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async measure(): Promise<void> {
    const { connection } = this;
    // A server that does not answer has one probe at a time.
    if (this.measuring || connection.state !== "online" || !connection.echoes) return;
    this.measuring = true;
    const askedAt = monotonicNow();
    const came = await connection.probe();
    this.measuring = false;
    this.lastMs = came ? monotonicNow() - askedAt : undefined;
    if (this.lastMs !== undefined) this.onMeasured?.(this.lastMs);
  }
}

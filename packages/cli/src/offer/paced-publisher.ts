import { setTimeout as sleep } from "node:timers/promises";
import type { OfferedService } from "@stanzapack/client";
import type { Value } from "@stanzapack/wire";

/** A service keeps 4,096 rows and 262,144 bytes that wait for its window; beyond, older ones give way. */
const MAX_ROWS = 4_000;
/** In bytes of JSON, of which the packed form is at most 2¼ times as long (`0.1,`: 4 and 9). */
const MAX_JSON_BYTES = 110_000;
/** Of a log, so many updates may wait for their acknowledgement: half of what is kept. */
const MAX_UNACKNOWLEDGED = 32_768;
const POLL_MS = 5;
/** What waits when we are told to end has so long to leave, in ms. */
const GRACE_MS = 2_000;

/** Publishes no faster than the service can send, so that a pipe is slowed down instead of thinned out. */
export class PacedPublisher {
  private rows = 0;
  private bytes = 0;

  constructor(
    private readonly service: OfferedService,
    private readonly signal: AbortSignal,
  ) {}

  /** `bytes`: of its JSON. Throws `too-large`, `unencodable`. */
  async publish(value: Value, bytes: number): Promise<void> {
    if (!this.service.pending) this.rows = this.bytes = 0;
    const isFull = this.rows >= MAX_ROWS || (this.rows > 0 && this.bytes + bytes > MAX_JSON_BYTES);
    // A store takes it also while nothing can be sent.
    if (isFull && !this.service.stores) await this.sent();
    while (this.service.unacknowledged >= MAX_UNACKNOWLEDGED && !this.service.ended && !this.signal.aborted)
      await sleep(POLL_MS);
    if (this.service.ended) return;
    this.service.publish(value);
    this.rows++;
    this.bytes += bytes;
  }

  /** Resolves when nothing waits any more: it left, nobody wants it, the service has ended; or the grace is over. */
  async sent(): Promise<void> {
    await this.service.saved();
    let deadline = Infinity;
    while (this.service.pending && !this.service.ended && performance.now() < deadline) {
      if (this.signal.aborted) deadline = Math.min(deadline, performance.now() + GRACE_MS);
      await sleep(POLL_MS);
    }
    this.rows = this.bytes = 0;
  }
}

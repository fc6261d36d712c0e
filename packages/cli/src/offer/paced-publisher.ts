import { setTimeout as sleep } from "node:timers/promises";
import type { OfferedService } from "@stanzapack/client";
import type { Value } from "@stanzapack/wire";

/** Most waiting rows. A service keeps 4,096 rows and 262,144 bytes for its window; newer rows then replace older. */
const MAX_ROWS = 4_000;
/** Most waiting bytes of JSON. The packed form is at most 2¼ times as long (`0.1,`: 4 bytes, packed 9). */
const MAX_JSON_BYTES = 110_000;
/** Most updates of a log that may wait for their acknowledgement: half of the updates that a log keeps. */
const MAX_UNACKNOWLEDGED = 32_768;
const POLL_MS = 5;
/** Time for sending waiting updates after a signal to end, in ms. */
const GRACE_MS = 2_000;

/** Publishes no faster than the service can send. So a pipe becomes slower instead of losing values. */
export class PacedPublisher {
  private rows = 0;
  private bytes = 0;

  constructor(
    private readonly service: OfferedService,
    private readonly signal: AbortSignal,
    /** Gives one value to the service. */
    private readonly give = (value: Value): void => service.publish(value),
  ) {}

  /** `bytes`: length of the value's JSON. Throws what `give` throws. */
  async publish(value: Value, bytes: number): Promise<void> {
    if (!this.service.pending) this.rows = this.bytes = 0;
    const isFull = this.rows >= MAX_ROWS || (this.rows > 0 && this.bytes + bytes > MAX_JSON_BYTES);
    // A store takes updates even while nothing can be sent.
    if (isFull && !this.service.stores) await this.sent();
    while (this.service.unacknowledged >= MAX_UNACKNOWLEDGED && !this.service.ended && !this.signal.aborted)
      await sleep(POLL_MS);
    if (this.service.ended) return;
    this.give(value);
    this.rows++;
    this.bytes += bytes;
  }

  /** Resolves when no update waits to be sent, the service has ended, or `GRACE_MS` after the signal. */
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

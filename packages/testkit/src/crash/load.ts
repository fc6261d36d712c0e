import { StanzapackError, type OfferedService } from "@stanzapack/client";
import type { Random } from "../base/random.js";
import { makeValue } from "./values.js";

/** Average number of updates a second. */
export const RATE = 200;
/** Longest time between two bursts, in ms. */
const MAX_GAP_MS = 100;

/** Publishes numbered updates at a steady rate, in bursts of at most 20. */
export class Load {
  private timer: NodeJS.Timeout | undefined;
  private readonly start = performance.now();
  private count = 0;

  constructor(
    private readonly service: OfferedService,
    private readonly seed: number,
    private readonly random: Random,
  ) {
    this.book();
  }

  private book(): void {
    this.timer = setTimeout(
      () => {
        const due = Math.floor(((performance.now() - this.start) * RATE) / 1_000);
        this.burst(due - this.count);
        this.book();
      },
      1 + this.random.below(MAX_GAP_MS),
    );
  }

  private burst(size: number): void {
    for (let i = 0; i < size; i++) {
      this.count++;
      if (!publishNext(this.service, this.seed)) return;
    }
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}

/**
 * Publishes the next number. Returns false if the outbox is full, or the log has ended: it then refuses the update, and
 * drops nothing that it has promised.
 */
export function publishNext(service: OfferedService, seed: number): boolean {
  try {
    service.publish(makeValue(seed, service.published + 1));
    return true;
  } catch (error) {
    // An interruption ends the client, and with it the log.
    if (error instanceof StanzapackError && (error.code === "busy" || error.code === "stopped")) return false;
    throw error;
  }
}

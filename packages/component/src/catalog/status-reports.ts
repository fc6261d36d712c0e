import { MAX_WINDOW_MS, StanzapackError, type StatusFrame } from "@stanzapack/wire";
import { statusFrame } from "../fanout/shared-frame.js";
import type { Service } from "./service.js";

/** Tells subscribers what a publisher says of itself (STATUS). */
export class StatusReports {
  /** Services whose subscribers have no report yet. */
  private readonly stale = new Set<Service>();

  /**
   * Takes a publisher's STATUS, which subscribers receive with the next sweep. Throws what ends the publisher's link.
   */
  set(service: Service, { status, windowMs }: StatusFrame): void {
    if (status === "offline")
      throw new StanzapackError("protocol", "a publisher reports itself as offline", { origin: "peer" });
    service.status = status;
    service.paceMs = windowMs === null ? null : Math.min(windowMs, MAX_WINDOW_MS);
    // Sent at most once in a sweep, because one STATUS becomes a frame for each subscriber.
    this.stale.add(service);
  }

  /** Called when the status of a service may have changed. */
  onTold: ((service: Service) => void) | undefined;

  /** Tells all subscribers now. */
  tell(service: Service): void {
    this.stale.delete(service);
    this.onTold?.(service);
    const frame = statusFrame(service.told);
    for (const { outlet } of service.subscriptions) outlet.sendShared(frame);
  }

  /** The service has ended. */
  forget(service: Service): void {
    this.stale.delete(service);
  }

  /** Once a second. */
  sweep(): void {
    for (const service of this.stale) this.tell(service);
  }
}

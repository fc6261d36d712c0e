import type { PublisherLink, Service } from "./service.js";

/** Tells publishers how many subscribers a service has, and in which window they take it (DEMAND). */
export class DemandReports {
  /** Services whose new number of subscribers was not reported yet. */
  private readonly stale = new Set<Service>();

  /** The subscribers or their windows changed. Reports another window at once, another count with the next sweep. */
  update(service: Service): void {
    const subscribers = service.subscriberCount;
    const windowMs = demandedWindowMs(service);
    const told = service.demand;
    if (service.publisher === undefined || (told.subscribers === subscribers && told.windowMs === windowMs))
      return;
    if (told.windowMs === windowMs) this.stale.add(service);
    else this.tell(service);
  }

  /** Reports now, also where nothing changed. */
  tell(service: Service): void {
    this.stale.delete(service);
    service.demand = { subscribers: service.subscriberCount, windowMs: demandedWindowMs(service) };
    service.publisher?.link.sendFrame({ type: "demand", alias: service.publisher.alias, ...service.demand });
  }

  /** Reports for all services that a link publishes. Their windows may have changed. */
  tellAll(link: PublisherLink): void {
    for (const service of link.services.values()) this.tell(service);
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

/**
 * Returns the window in which the publisher should send, in ms. Null: it should not send. A publisher over its budget
 * has a wider window.
 */
function demandedWindowMs(service: Service): number | null {
  const wanted = service.wantedWindowMs();
  return wanted === null ? null : Math.max(wanted, service.publisher?.link.throttle.windowMs ?? 0);
}
